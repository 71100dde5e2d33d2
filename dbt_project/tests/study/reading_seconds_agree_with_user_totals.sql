{{ config(meta={
    'dagster': {'ref': {'name': 'user_learning_metrics'}},
    'keyed': keyed_by(['user_id'], ['user_learning_metrics', 'daily_user_stats']),
}) }}

{{ sums_that_disagree('user_id', 'user_learning_metrics', 'total_reading_seconds', 'daily_user_stats', 'reading_seconds') }}
