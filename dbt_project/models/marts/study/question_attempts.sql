{#- An explanation tells of the attempt that it follows, which may lie on an earlier day. -#}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'int_study__question_events': '
            select user_id, event_date as date from changes
            union
            select user_id, explained_date as date from changes where explained_date is not null
        '},
        'date': 'date',
        'log': ['attempt_id', 'user_id', 'session_id', 'question_id', 'topic_id', 'date'],
    }},
) }}

with attempts as (
    select *
    from {{ touched_rows(ref('int_study__question_events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'question_submit'
),

explained as (
    select distinct
        user_id,
        question_id,
        attempts_so_far
    from {{ later_rows(ref('int_study__question_events'), by=['user_id'], date='event_date') }}
    where explained_attempt_at is not null
)

select
    attempts.event_id as attempt_id,
    attempts.user_id,
    attempts.session_id,
    attempts.question_id,
    attempts.topic_id,
    attempts.event_date as date,
    attempts.event_ts as attempted_at,
    attempts.is_correct,
    attempts.time_to_answer_seconds,
    attempts.confidence_level,
    attempts.selected_answer,
    attempts.correct_answer,
    attempts.attempts_so_far as attempt_number,
    attempts.attempts_so_far = 1 as is_first_attempt,
    {{ days(microseconds_between('attempts.previous_attempt_at', 'attempts.event_ts')) }} as days_since_last_attempt,
    coalesce(attempts.hint_used, false) or attempts.follows_hint as hint_used,
    explained.attempts_so_far is not null as explanation_viewed,
    attempts.reported_attempt_number,
    attempts.reported_is_first_attempt
from attempts
left join explained
    on
        attempts.user_id = explained.user_id
        and attempts.question_id = explained.question_id
        and attempts.attempts_so_far = explained.attempts_so_far
order by attempts.event_date
