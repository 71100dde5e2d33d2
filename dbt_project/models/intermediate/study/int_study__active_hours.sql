{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'base_study__events': "select user_id, event_date as date from changes where copy_status = 'kept'"},
        'date': 'date',
        'log': ['user_id'],
    }},
) }}

with learning_events as (
    select
        user_id,
        event_date as date,
        cast(extract(hour from event_ts) as bigint) as hour,
        event_ts
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where is_learning_event
)

select
    user_id,
    date,
    hour,
    count(*) as learning_events,
    min(event_ts) as first_event_at
from learning_events
group by user_id, date, hour
order by date
