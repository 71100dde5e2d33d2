-- depends_on: {{ ref('int_study__session_days') }}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'session_id', 'material_id'],
        'follows': {
            'base_study__events': "
                select user_id, session_id, material_id, event_date from changes where copy_status = 'kept' and event_type like 'material%'",
            'int_study__derived_sessions': "select user_id, session_id, material_id, event_date from changes where event_type like 'material%'",
        },
        'date': 'event_date',
        'dates_in': {'int_study__session_days': ['session_id']},
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
    where event_type like 'material!_%' escape '!'
)

select
    user_id,
    session_id,
    material_id,
    min(event_ts) as started_at,
    max(event_ts) as ended_at,
    {{ sum_of_decimals("case when event_type = 'material_read' then time_spent_seconds end") }} as duration_seconds,
    max(case when event_type = 'material_read' then scroll_depth_percent end) as scroll_depth_percent,
    {{ count_distinct_where('chunk_id', "event_type = 'material_read'") }} as chunks_read,
    {{ count_where('completes_material') }} > 0 as is_complete,
    {{ count_where("event_type = 'material_highlight'") }} as highlights_count,
    {{ count_where("event_type = 'material_note'") }} as notes_count,
    {{ count_where("event_type = 'material_bookmark'") }} > 0 as bookmarked
from events
group by user_id, session_id, material_id
order by started_at
