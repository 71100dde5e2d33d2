{{ config(meta={'dagster': {'ref': {'name': 'study_sessions'}}}) }}

with study_sessions as (
    select
        session_id,
        questions_attempted,
        questions_correct
    from {{ ref('study_sessions') }}
),

question_attempts as (
    select
        session_id,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct
    from {{ ref('question_attempts') }}
    group by session_id
)

{{ rows_that_disagree('study_sessions', 'question_attempts', ['session_id'], ['questions_attempted', 'questions_correct']) }}
