{{ config(meta={
    'dagster': {'ref': {'name': 'question_stats'}},
    'keyed': keyed_by(['question_id'], ['question_stats', 'question_attempts']),
}) }}

with question_stats as (
    select
        question_id,
        attempts,
        first_attempts
    from {{ touched_rows(ref('question_stats')) }}
),

question_attempts as (
    select
        question_id,
        count(*) as attempts,
        {{ count_where('is_first_attempt') }} as first_attempts
    from {{ touched_rows(ref('question_attempts')) }}
    group by question_id
)

{{ rows_that_disagree('question_stats', 'question_attempts', ['question_id'], ['attempts', 'first_attempts']) }}
