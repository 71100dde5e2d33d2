{{ config(materialized='view') }}

{%- set base_models = [
    ['study', 'base_study__events', 'event_id'],
    ['study', 'base_study__topics', 'topic_id'],
    ['study', 'base_study__topic_prerequisites', 'topic_id, prerequisite_topic_id'],
    ['study', 'base_study__questions', 'question_id'],
    ['assessment', 'base_assessment__events', 'id'],
    ['assessment', 'base_assessment__test_sessions', 'session_id'],
    ['assessment', 'base_assessment__session_questions', 'session_id, question_id'],
    ['collaboration', 'base_collaboration__events', 'idempotency_key'],
    ['textbook', 'base_textbook__events', 'event_id'],
] %}

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

{%- for system, model, identity in base_models %}

union all

select
    '{{ system }}' as system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    'id_conflict' as reason,
    '{{ identity }}: seen before with other content' as detail
from {{ ref(model) }}
where copy_status = 'conflict'
{%- endfor %}

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
