{{ config(meta={
    'dagster': {'ref': {'name': 'weekly_user_stats'}},
    'keyed': keyed_by(['user_id'], ['weekly_user_stats', 'daily_user_stats']),
}) }}

{{ sums_that_disagree('user_id', 'weekly_user_stats', 'reading_seconds', 'daily_user_stats', 'reading_seconds') }}
