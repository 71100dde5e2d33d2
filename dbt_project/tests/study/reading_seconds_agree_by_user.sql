{{ config(meta={
    'dagster': {'ref': {'name': 'material_interactions'}},
    'keyed': keyed_by(['user_id'], ['daily_user_stats', 'material_interactions']),
}) }}

{{ sums_that_disagree('user_id', 'daily_user_stats', 'reading_seconds', 'material_interactions', 'duration_seconds') }}
