{{ config(meta={
    'dagster': {'ref': {'name': 'topic_mastery'}},
    'keyed': keyed_by(['user_id', 'topic_id'], ['topic_mastery_daily', 'question_attempts']),
}) }}

with topic_mastery as (
    select
        user_id,
        topic_id,
        questions_attempted,
        questions_correct
    from {{ touched_rows(ref('topic_mastery')) }}
),

question_attempts as (
    select
        user_id,
        topic_id,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct
    from {{ touched_rows(ref('question_attempts')) }}
    group by user_id, topic_id
)

{{ rows_that_disagree('topic_mastery', 'question_attempts', ['user_id', 'topic_id'], ['questions_attempted', 'questions_correct']) }}
