{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['event_id'],
        'follows': {
            'base_study__events': "
                select event_id, event_date from changes
                where copy_status = 'kept' and event_type in ('question_submit', 'ai_hint_requested', 'ai_explanation_requested')",
            'int_study__derived_sessions': 'select event_id, event_date from changes',
        },
        'date': 'event_date',
        'dates_in': {},
        'log': ['user_id', 'question_id', 'event_date'],
    }},
) }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    user_id,
    session_id,
    question_id,
    topic_id,
    is_correct,
    time_to_answer_seconds,
    confidence_level,
    selected_answer,
    correct_answer,
    hint_used,
    attempt_number as reported_attempt_number,
    is_first_attempt as reported_is_first_attempt
from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
where event_type in ('question_submit', 'ai_hint_requested', 'ai_explanation_requested')
order by event_date
