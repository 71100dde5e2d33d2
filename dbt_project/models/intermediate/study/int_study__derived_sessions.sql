{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {
            'base_study__events': "select user_id, event_date from changes where copy_status = 'kept' and session_id is null and event_type not like 'streak%'",
        },
        'date': 'event_date',
        'log': ['event_id', 'event_type', 'session_id', 'user_id', 'material_id', 'event_date'],
    }},
) }}

with events as (
    select {{ session_event_columns() | join(', ') }}
    from {{ touched_rows(ref('int_study__events'), date='event_date') }}
    where session_id is null and event_type not like 'streak!_%' escape '!'
),

gaps as (
    select
        *,
        lag(event_ts) over (partition by user_id order by event_ts, event_id) as previous_at
    from events
),

numbered as (
    select
        *,
        sum(case when event_ts <= {{ minutes_after('previous_at', var('inactivity_minutes')) }} then 0 else 1 end) over (
            partition by user_id order by event_ts, event_id rows between unbounded preceding and current row
        ) as session_number
    from gaps
)

select
    {{ session_event_columns() | join(',\n    ') }},
    'derived-' || first_value(event_id) over (partition by user_id, session_number order by event_ts, event_id) as session_id
from numbered
order by event_date
