{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'base_study__topics': "select 'newest' as snapshot from changes"},
        'log': ['topic_id'],
    }},
) }}

with topics as (
    select *
    from {{ touched_rows(ref('stg_study__topics'), columns={'snapshot': "'newest'"}) }}
),

newest as (
    select max(extract_date) as extract_date
    from topics
)

select
    'newest' as snapshot,
    topics.topic_id,
    topics.name,
    topics.level,
    topics.parent_topic_id
from topics
inner join newest on topics.extract_date = newest.extract_date
