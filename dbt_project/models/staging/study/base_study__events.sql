{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'key_of': ['event_id'],
        'loads': [['study', 'events']],
        'date': 'event_date',
        'log': [
            'event_id', 'event_type', 'session_id', 'user_id', 'material_id', 'topic_id', 'event_date', 'extract_date', 'copy_status',
        ],
    }},
) }}

{%- set columns = [
    'id_hash', 'content_hash', 'event_type', 'event_ts', 'client_ts', 'user_id', 'session_id', 'material_id', 'chunk_id', 'topic_id', 'question_id',
    'device_type', 'timezone', 'reported_duration_seconds', 'reported_active_seconds', 'reported_materials_viewed',
    'reported_questions_attempted', 'reported_xp_earned', 'time_spent_seconds', 'scroll_depth_percent', 'is_correct',
    'time_to_answer_seconds', 'selected_answer', 'correct_answer', 'confidence_level', 'is_first_attempt', 'attempt_number',
    'hint_used', 'quiz_id', 'detected_topics', 'response_time_ms', 'model_used', 'tokens_used', 'xp_amount', 'new_total_xp',
    'new_level', 'total_xp', 'achievement_id', 'result_count', 'search_type', 'extract_date', 'source_file', 'source_line',
    'batch_index',
] %}

{%- set copies %}
select
    'events' as stream,
    row_id as event_id,
    cast(event_ts as date) as event_date,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('study', 'events') }}
{%- endset %}

{{ settled_copies(copies, 'event_id') }}
order by event_date
