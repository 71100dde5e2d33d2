{{ config(meta={
    'dagster': {'ref': {'name': 'question_visits'}},
    'keyed': keyed_by(['session_id'], ['test_sessions', 'question_visits']),
}) }}

with test_sessions as (
    select
        session_id,
        questions_viewed
    from {{ touched_rows(ref('test_sessions')) }}
    where questions_viewed > 0
),

question_visits as (
    select
        session_id,
        count(distinct question_id) as questions_viewed
    from {{ touched_rows(ref('question_visits')) }}
    group by session_id
)

{{ rows_that_disagree('test_sessions', 'question_visits', ['session_id'], ['questions_viewed']) }}
