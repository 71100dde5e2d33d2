{#- So many days after a hint the answer that follows it may lie. -#}
{%- set days_after_hint = (var('hint_success_minutes') | float / 1440) | round(0, 'ceil') | int -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'question_id', 'event_date'],
        'follows': {'int_study__question_events': '
            select changes.user_id, changes.question_id, ' ~ days_after('changes.event_date', '-days.day') ~ ' as event_date
            from changes
            cross join (values (' ~ range(days_after_hint + 1) | join('), (') ~ ')) as days (day)
        '},
        'date': 'event_date',
        'log': ['event_date'],
    }},
) }}

with events as (
    select *
    from {{
        touched_rows(
            ref('int_study__question_events'), by=['user_id', 'question_id'], date='event_date', days=range(days_after_hint + 1)
        )
    }}
),

followed as (
    select
        *,
        min(case when event_type = 'question_submit' and is_correct then event_ts end) over (
            partition by user_id, question_id order by event_ts, event_id rows between 1 following and unbounded following
        ) as next_correct_at
    from events
),

hints as (
    select *
    from followed
    where event_type = 'ai_hint_requested'
)

select
    event_id,
    user_id,
    question_id,
    event_date,
    coalesce(next_correct_at <= {{ minutes_after('event_ts', var('hint_success_minutes')) }}, false) as is_followed_by_correct_answer
from {{ touched_rows('hints') }}
order by event_date
