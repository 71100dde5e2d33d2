{{ config(meta={
    'dagster': {'ref': {'name': 'user_learning_metrics'}},
    'keyed': keyed_by(['user_id'], ['user_learning_metrics', 'study_sessions']),
}) }}

{{ sums_that_disagree('user_id', 'user_learning_metrics', 'total_active_seconds', 'study_sessions', 'active_seconds') }}
