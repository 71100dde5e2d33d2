{{ config(meta={
    'dagster': {'ref': {'name': 'topic_daily_stats'}},
    'keyed': keyed_by(['date'], ['daily_user_stats', 'topic_daily_stats']),
}) }}

{{ sums_that_disagree('date', 'daily_user_stats', 'reading_seconds', 'topic_daily_stats', 'reading_seconds') }}
