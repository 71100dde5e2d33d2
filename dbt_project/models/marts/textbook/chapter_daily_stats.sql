{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['chapter_id', 'date'],
        'follows': {'base_textbook__events': "select chapter_id, event_date as date from changes where copy_status = 'kept'"},
        'date': 'date',
        'log': ['date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_textbook__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where chapter_id is not null
)

select
    chapter_id,
    event_date as date,
    {{ count_where("event_type = 'chapter_visit'") }} as visits,
    {{ count_distinct_where('user_id', "event_type = 'chapter_visit'") }} as visitors,
    {{ count_where("event_type = 'ai_block_used'") }} as ai_block_uses,
    {{ count_where("event_type = 'error_event'") }} as errors
from events
group by chapter_id, event_date
order by date
