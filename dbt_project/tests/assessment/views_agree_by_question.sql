{{ config(meta={
    'dagster': {'ref': {'name': 'assessment_question_stats'}},
    'keyed': keyed_by(['question_id'], ['assessment_question_stats', 'question_visits']),
}) }}

with assessment_question_stats as (
    select
        question_id,
        sessions_viewed
    from {{ touched_rows(ref('assessment_question_stats')) }}
),

question_visits as (
    select
        question_id,
        count(distinct session_id) as sessions_viewed
    from {{ touched_rows(ref('question_visits')) }}
    group by question_id
)

{{ rows_that_disagree('assessment_question_stats', 'question_visits', ['question_id'], ['sessions_viewed']) }}
