{{ config(meta={
    'dagster': {'ref': {'name': 'user_learning_metrics'}},
    'keyed': keyed_by(['user_id'], ['user_learning_metrics', 'daily_user_stats']),
}) }}

with user_learning_metrics as (
    select
        user_id,
        total_questions_attempted,
        total_questions_correct,
        total_active_days,
        longest_streak
    from {{ touched_rows(ref('user_learning_metrics')) }}
),

daily_user_stats as (
    select
        user_id,
        sum(questions_attempted) as total_questions_attempted,
        sum(questions_correct) as total_questions_correct,
        {{ count_where('is_active_day') }} as total_active_days,
        max(streak_days) as longest_streak
    from {{ touched_rows(ref('daily_user_stats')) }}
    group by user_id
)

{{ rows_that_disagree(
    'user_learning_metrics', 'daily_user_stats', ['user_id'],
    ['total_questions_attempted', 'total_questions_correct', 'total_active_days', 'longest_streak']
) }}
