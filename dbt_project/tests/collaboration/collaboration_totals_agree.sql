{{ config(meta={'dagster': {'ref': {'name': 'collaborator_analytics'}}}) }}

{#- What drafts and users both count, and, where staging tells it as well, staging. -#}
{%- set staging = ref('stg_collaboration__events') -%}
{%- set drafts = ref('draft_analytics') -%}
{%- set users = ref('collaborator_analytics') -%}
{%- set counts = [
    ['creations', 'staging', staging, count_where("event_type = 'DraftCreated'")],
    ['creations', 'users', users, sum_of_integers('drafts_created')],
    ['created_drafts', 'staging', staging, count_distinct_where('draft_id', "event_type = 'DraftCreated'")],
    ['created_drafts', 'drafts', drafts, 'count(created_at)'],
    ['segments', 'staging', staging, count_where("event_type = 'SegmentAdded'")],
    ['segments', 'drafts', drafts, sum_of_integers('segments')],
    ['segments', 'users', users, sum_of_integers('segments_written')],
    ['contributors', 'drafts', drafts, sum_of_integers('contributors')],
    ['contributors', 'users', users, sum_of_integers('drafts_contributed')],
    ['rings', 'staging', staging, count_where("event_type = 'RINGPassed'")],
    ['rings', 'drafts', drafts, sum_of_integers('ring_passes')],
    ['rings', 'users', users, sum_of_integers('rings_held')],
] -%}

with counts as (
    {%- for what, counted_in, relation, number in counts %}
    select
        '{{ what }}' as what,
        '{{ counted_in }}' as counted_in,
        {{ number }} as number
    from {{ relation }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    what,
    max(case when counted_in = 'staging' then number end) as stg_collaboration__events__number,
    max(case when counted_in = 'drafts' then number end) as draft_analytics__number,
    max(case when counted_in = 'users' then number end) as collaborator_analytics__number
from counts
group by what
having min(number) != max(number)
