{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'question_id'],
        'follows': {'int_study__question_events': 'select user_id, question_id, event_date from changes'},
        'date': 'event_date',
        'dates_in': {'int_study__question_events': ['user_id', 'question_id']},
        'log': ['event_date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__question_events'), date='event_date') }}
),

followed as (
    select
        *,
        min(case when event_type = 'question_submit' and is_correct then event_ts end) over (
            partition by user_id, question_id order by event_ts, event_id rows between 1 following and unbounded following
        ) as next_correct_at
    from events
)

select
    event_id,
    user_id,
    question_id,
    event_date,
    coalesce(next_correct_at <= {{ minutes_after('event_ts', var('hint_success_minutes')) }}, false) as is_followed_by_correct_answer
from followed
where event_type = 'ai_hint_requested'
order by event_date
