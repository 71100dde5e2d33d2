-- depends_on: {{ ref('int_study__session_days') }}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_study__events': "
                select session_id, event_date from changes
                where copy_status = 'kept' and event_type in ('search_performed', 'topic_explored', 'material_open')",
            'int_study__derived_sessions': "
                select session_id, event_date from changes where event_type in ('search_performed', 'topic_explored', 'material_open')",
        },
        'date': 'event_date',
        'dates_in': {'int_study__session_days': ['session_id']},
        'log': ['event_date', 'search_type'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
    where event_type in ('search_performed', 'topic_explored', 'material_open')
),

followed as (
    select
        *,
        min(case when event_type != 'search_performed' then event_ts end) over (
            partition by session_id order by event_ts, event_id rows between 1 following and unbounded following
        ) as next_opened_at
    from events
)

select
    event_id,
    session_id,
    event_date,
    coalesce(search_type, 'unknown') as search_type,
    result_count,
    coalesce(next_opened_at <= {{ minutes_after('event_ts', var('search_click_minutes')) }}, false) as is_clicked
from followed
where event_type = 'search_performed'
order by event_date
