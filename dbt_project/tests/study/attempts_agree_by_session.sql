{{ config(meta={
    'dagster': {'ref': {'name': 'study_sessions'}},
    'keyed': keyed_by(['session_id'], ['study_sessions', 'question_attempts']),
}) }}

with study_sessions as (
    select
        session_id,
        questions_attempted,
        questions_correct
    from {{ touched_rows(ref('study_sessions')) }}
),

question_attempts as (
    select
        session_id,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct
    from {{ touched_rows(ref('question_attempts')) }}
    group by session_id
)

{{ rows_that_disagree('study_sessions', 'question_attempts', ['session_id'], ['questions_attempted', 'questions_correct']) }}
