{{ config(meta={'dagster': {'ref': {'name': 'daily_user_stats'}}}) }}

with daily_user_stats as (
    select
        user_id,
        date,
        questions_attempted,
        questions_correct,
        first_attempts
    from {{ ref('daily_user_stats') }}
),

question_attempts as (
    select
        user_id,
        cast(attempted_at as date) as date,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct,
        {{ count_where('is_first_attempt') }} as first_attempts
    from {{ ref('question_attempts') }}
    group by user_id, cast(attempted_at as date)
)

{{ rows_that_disagree(
    'daily_user_stats', 'question_attempts', ['user_id', 'date'], ['questions_attempted', 'questions_correct', 'first_attempts']
) }}
