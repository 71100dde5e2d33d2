{{ config(materialized='view') }}

select
    system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    reason,
    detail
from {{ ref('stg_operations__quarantine') }}

union all

select
    'study' as system,
    'events' as stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    'id_conflict' as reason,
    'event_id: seen before with other content' as detail
from {{ ref('base_study__events') }}
where copy_status = 'conflict'

union all

select
    'assessment' as system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    'id_conflict' as reason,
    'id: seen before with other content' as detail
from {{ ref('base_assessment__events') }}
where copy_status = 'conflict'

union all

select
    'assessment' as system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    verdict as reason,
    case verdict
        when 'unknown_session' then 'session_id: ' || session_id
        when 'session_not_owned' then 'user_id: ' || user_id
        else 'question_id: ' || question_id
    end as detail
from {{ ref('base_assessment__judged_events') }}
where verdict != 'accepted'
{%- for system, stream in [
    ['assessment', 'test_sessions'], ['assessment', 'session_questions'],
    ['study', 'topics'], ['study', 'topic_prerequisites'], ['study', 'questions'],
] %}

union all

select
    '{{ system }}' as system,
    '{{ stream }}' as stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    'id_conflict' as reason,
    'seen before with other content' as detail
from {{ ref('base_' ~ system ~ '__' ~ stream) }}
where copy_status = 'conflict'
{%- endfor %}
