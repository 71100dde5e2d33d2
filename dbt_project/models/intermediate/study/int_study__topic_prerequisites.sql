{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'base_study__topic_prerequisites': "select 'newest' as snapshot from changes"},
        'log': ['topic_id'],
    }},
) }}

{#- A path of up to 2 to the power of the rounds: 64 steps from a topic to what it builds on. A longer chain of topics is no curriculum. -#}
{%- set rounds = 6 %}

with prerequisites as (
    select *
    from {{ touched_rows(ref('stg_study__topic_prerequisites'), columns={'snapshot': "'newest'"}) }}
),

newest as (
    select max(extract_date) as extract_date
    from prerequisites
),

direct as (
    select
        prerequisites.topic_id,
        prerequisites.prerequisite_topic_id
    from prerequisites
    inner join newest on prerequisites.extract_date = newest.extract_date
    where prerequisites.topic_id is not null and prerequisites.prerequisite_topic_id is not null
),

-- Each topic reaches itself too, so that a path of two steps covers all shorter ones.
paths_1 as (
    select
        topic_id,
        prerequisite_topic_id
    from direct
    union
    select
        topic_id,
        topic_id as prerequisite_topic_id
    from direct
    union
    select
        prerequisite_topic_id as topic_id,
        prerequisite_topic_id
    from direct
),

{% for number in range(rounds) -%}
{%- set paths = 'paths_' ~ 2 ** number -%}
paths_{{ 2 ** (number + 1) }} as (
    select distinct
        first_half.topic_id,
        second_half.prerequisite_topic_id
    from {{ paths }} as first_half
    inner join {{ paths }} as second_half on first_half.prerequisite_topic_id = second_half.topic_id
    where {{ computed_once() }}
),

{% endfor -%}
{%- set paths = 'paths_' ~ 2 ** rounds %}
reached as (
    select
        there.topic_id,
        there.prerequisite_topic_id,
        back.topic_id is not null as is_cycle
    from {{ paths }} as there
    left join {{ paths }} as back on there.topic_id = back.prerequisite_topic_id and there.prerequisite_topic_id = back.topic_id
)

select
    'newest' as snapshot,
    reached.topic_id,
    reached.prerequisite_topic_id,
    direct.topic_id is not null as is_direct,
    reached.is_cycle
from reached
left join direct on reached.topic_id = direct.topic_id and reached.prerequisite_topic_id = direct.prerequisite_topic_id
where reached.topic_id != reached.prerequisite_topic_id or direct.topic_id is not null
