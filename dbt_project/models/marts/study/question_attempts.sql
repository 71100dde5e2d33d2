{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'question_id'],
        'follows': {'int_study__question_events': 'select user_id, question_id from changes'},
        'log': ['attempt_id', 'user_id', 'session_id', 'question_id', 'topic_id', 'cast(attempted_at as date) as date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__question_events')) }}
),

-- Each hint and explanation is told by how many attempts of the user at the question came before it.
numbered as (
    select
        *,
        {{ count_where("event_type = 'question_submit'") }} over (
            partition by user_id, question_id order by event_ts, event_id rows between unbounded preceding and current row
        ) as attempts_so_far
    from events
),

attempts as (
    select
        *,
        lag(event_ts) over (partition by user_id, question_id order by attempts_so_far) as previous_attempt_at
    from numbered
    where event_type = 'question_submit'
),

hints as (
    select distinct
        user_id,
        question_id,
        session_id,
        attempts_so_far + 1 as attempt_number
    from numbered
    where event_type = 'ai_hint_requested'
),

explanations as (
    select distinct
        user_id,
        question_id,
        session_id,
        attempts_so_far as attempt_number
    from numbered
    where event_type = 'ai_explanation_requested'
)

select
    attempts.event_id as attempt_id,
    attempts.user_id,
    attempts.session_id,
    attempts.question_id,
    attempts.topic_id,
    attempts.event_ts as attempted_at,
    attempts.is_correct,
    attempts.time_to_answer_seconds,
    attempts.confidence_level,
    attempts.selected_answer,
    attempts.correct_answer,
    attempts.attempts_so_far as attempt_number,
    attempts.attempts_so_far = 1 as is_first_attempt,
    {{ days(microseconds_between('attempts.previous_attempt_at', 'attempts.event_ts')) }} as days_since_last_attempt,
    coalesce(attempts.hint_used, false) or hints.attempt_number is not null as hint_used,
    explanations.attempt_number is not null as explanation_viewed,
    attempts.reported_attempt_number,
    attempts.reported_is_first_attempt
from attempts
left join hints
    on
        attempts.user_id = hints.user_id
        and attempts.question_id = hints.question_id
        and attempts.session_id = hints.session_id
        and attempts.attempts_so_far = hints.attempt_number
left join explanations
    on
        attempts.user_id = explanations.user_id
        and attempts.question_id = explanations.question_id
        and attempts.session_id = explanations.session_id
        and attempts.attempts_so_far = explanations.attempt_number
order by attempts.event_ts
