{# The columns of an event that belongs to a session. #}
{% macro session_event_columns() %}
    {{ return([
        'event_id', 'event_type', 'event_ts', 'event_date', 'user_id', 'material_id', 'chunk_id', 'topic_id', 'question_id', 'device_type',
        'timezone', 'reported_duration_seconds', 'reported_active_seconds', 'reported_materials_viewed', 'reported_questions_attempted',
        'reported_xp_earned', 'time_spent_seconds', 'scroll_depth_percent', 'is_correct', 'time_to_answer_seconds', 'selected_answer',
        'correct_answer', 'confidence_level', 'is_first_attempt', 'attempt_number', 'hint_used', 'xp_amount',
        'result_count', 'search_type', 'is_learning_event', 'completes_material',
    ]) }}
{% endmacro %}
