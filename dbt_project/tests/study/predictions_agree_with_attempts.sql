{{ config(meta={
    'dagster': {'ref': {'name': 'attempt_predictions'}},
    'keyed': keyed_by(['user_id', 'date'], ['attempt_predictions', 'question_attempts']),
}) }}

with attempt_predictions as (
    select *
    from {{ touched_rows(ref('attempt_predictions'), date='date') }}
),

question_attempts as (
    select *
    from {{ touched_rows(ref('question_attempts'), date='date') }}
)

select
    coalesce(attempt_predictions.attempt_id, question_attempts.attempt_id) as attempt_id,
    attempt_predictions.attempt_id is not null as is_predicted,
    question_attempts.attempt_id is not null as is_attempt
from attempt_predictions
full outer join question_attempts on attempt_predictions.attempt_id = question_attempts.attempt_id
where
    attempt_predictions.attempt_id is null
    or question_attempts.attempt_id is null
    or attempt_predictions.is_correct != question_attempts.is_correct
    or attempt_predictions.user_id != question_attempts.user_id
    or attempt_predictions.topic_id != question_attempts.topic_id
    or attempt_predictions.question_id != question_attempts.question_id
    or attempt_predictions.date != question_attempts.date
