{{ config(meta={
    'dagster': {'ref': {'name': 'daily_user_stats'}},
    'keyed': keyed_by(['user_id', 'date'], ['daily_user_stats', 'question_attempts']),
}) }}

with daily_user_stats as (
    select
        user_id,
        date,
        questions_attempted,
        questions_correct,
        first_attempts
    from {{ touched_rows(ref('daily_user_stats'), date='date') }}
),

question_attempts as (
    select
        user_id,
        date,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct,
        {{ count_where('is_first_attempt') }} as first_attempts
    from {{ touched_rows(ref('question_attempts'), date='date') }}
    group by user_id, date
)

{{ rows_that_disagree(
    'daily_user_stats', 'question_attempts', ['user_id', 'date'], ['questions_attempted', 'questions_correct', 'first_attempts']
) }}
