{{ config(meta={'dagster': {'ref': {'name': 'study_sessions'}}}) }}

with held as (
    select count(*) as events
    from {{ ref('stg_study__events') }}
    where event_type not like 'streak!_%' escape '!'
),

counted as (
    select coalesce(sum(events), 0) as events
    from {{ ref('study_sessions') }}
)

select
    held.events as stg_study__events__events,
    counted.events as study_sessions__events
from held
cross join counted
where held.events != counted.events
