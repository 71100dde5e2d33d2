{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {
            'question_attempts': 'select user_id, date from changes',
            'int_study__first_attempt_days': '
                select user_id, date from changes
                union
                select self.user_id, self.date from self inner join changes on self.user_id = changes.user_id and self.date > changes.date',
        },
        'date': 'date',
        'log': ['question_id', 'date'],
    }},
) }}

with attempts as (
    select *
    from {{ touched_rows(ref('question_attempts'), date='date') }}
    where is_first_attempt
),

-- All days of the touched users: what came before a day is the sum over its user's earlier ones.
days as (
    select *
    from {{ touched_rows(ref('int_study__first_attempt_days'), by=['user_id']) }}
),

day_starts as (
    select
        user_id,
        date,
        coalesce(sum(first_attempts) over earlier, 0) as first_attempts,
        coalesce(sum(first_attempts_correct) over earlier, 0) as first_attempts_correct
    from days
    window earlier as (partition by user_id order by date rows between unbounded preceding and 1 preceding)
),

within_day as (
    select
        *,
        count(*) over earlier as first_attempts,
        {{ count_where('is_correct') }} over earlier as first_attempts_correct
    from attempts
    window earlier as (partition by user_id, date order by attempted_at, attempt_id rows between unbounded preceding and 1 preceding)
)

select
    within_day.attempt_id,
    within_day.user_id,
    within_day.question_id,
    within_day.date,
    within_day.is_correct,
    cast(day_starts.first_attempts + within_day.first_attempts as bigint) as earlier_first_attempts,
    cast(day_starts.first_attempts_correct + within_day.first_attempts_correct as bigint) as earlier_first_attempts_correct
from within_day
inner join day_starts on within_day.user_id = day_starts.user_id and within_day.date = day_starts.date
order by within_day.date
