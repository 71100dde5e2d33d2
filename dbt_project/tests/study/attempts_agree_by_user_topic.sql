{{ config(meta={'dagster': {'ref': {'name': 'topic_mastery'}}}) }}

with topic_mastery as (
    select
        user_id,
        topic_id,
        questions_attempted,
        questions_correct
    from {{ ref('topic_mastery') }}
),

question_attempts as (
    select
        user_id,
        topic_id,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct
    from {{ ref('question_attempts') }}
    group by user_id, topic_id
)

{{ rows_that_disagree('topic_mastery', 'question_attempts', ['user_id', 'topic_id'], ['questions_attempted', 'questions_correct']) }}
