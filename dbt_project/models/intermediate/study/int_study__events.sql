{{ config(materialized='view') }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    user_id,
    session_id,
    material_id,
    chunk_id,
    topic_id,
    question_id,
    device_type,
    timezone,
    reported_duration_seconds,
    reported_active_seconds,
    reported_materials_viewed,
    reported_questions_attempted,
    reported_xp_earned,
    time_spent_seconds,
    scroll_depth_percent,
    is_correct,
    time_to_answer_seconds,
    selected_answer,
    correct_answer,
    confidence_level,
    is_first_attempt,
    attempt_number,
    hint_used,
    quiz_id,
    detected_topics,
    response_time_ms,
    model_used,
    tokens_used,
    xp_amount,
    new_total_xp,
    new_level,
    total_xp,
    achievement_id,
    result_count,
    search_type,
    -- What a learner does to learn: all but the session's own events, rewards and streaks.
    event_type not like 'session!_%' escape '!'
    and event_type not like 'streak!_%' escape '!'
    and event_type not in ('xp_earned', 'level_up', 'achievement_unlocked') as is_learning_event,
    -- Whether the event says that its material is complete. The app's own `is_complete` is reported only.
    event_type = 'material_complete'
    or (
        event_type = 'material_read'
        and coalesce(scroll_depth_percent >= {{ var('complete_scroll_depth_percent') }}, false)
    ) as completes_material
from {{ ref('stg_study__events') }}
