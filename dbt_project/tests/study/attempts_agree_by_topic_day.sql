{{ config(meta={
    'dagster': {'ref': {'name': 'topic_daily_stats'}},
    'keyed': keyed_by(['topic_id', 'date'], ['topic_daily_stats', 'question_attempts']),
}) }}

with topic_daily_stats as (
    select
        topic_id,
        date,
        questions_attempted,
        questions_correct
    from {{ touched_rows(ref('topic_daily_stats'), date='date') }}
),

question_attempts as (
    select
        topic_id,
        date,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct
    from {{ touched_rows(ref('question_attempts'), date='date') }}
    group by topic_id, date
)

{{ rows_that_disagree('topic_daily_stats', 'question_attempts', ['topic_id', 'date'], ['questions_attempted', 'questions_correct']) }}
