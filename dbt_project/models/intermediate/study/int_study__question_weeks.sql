{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id', 'week_start'],
        'follows': {
            'question_attempts': 'select question_id, ' ~ week_of('date') ~ ' as week_start from changes',
            'int_study__first_attempts': 'select question_id, ' ~ week_of('date') ~ ' as week_start from changes',
        },
        'date': 'week_start',
        'log': ['question_id'],
    }},
) }}

with attempts as (
    select
        *,
        {{ week_of('date') }} as week_start
    from {{ touched_rows(ref('question_attempts'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)) }}
),

-- The share of earlier first attempts that were correct, in whole trillionths: sums of whole numbers are exact in any order, and what is
-- cut off does not reach the ninth decimal of a correlation. Their squares go beyond a bigint; those of ten million learners fit a decimal.
first_attempts as (
    select
        question_id,
        {{ week_of('date') }} as week_start,
        case when is_correct then 1 else 0 end as correct,
        case
            when earlier_first_attempts >= {{ var('fewest_earlier_first_attempts') }}
                then
                    cast(
                        {{ integer_divide('1000000000000 * earlier_first_attempts_correct', 'earlier_first_attempts') }}
                        as decimal(38, 0)
                    )
        end as earlier_share
    from {{ touched_rows(ref('int_study__first_attempts'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)) }}
),

placed as (
    select
        *,
        row_number() over (partition by question_id, week_start order by attempted_at, attempt_id) as place
    from attempts
),

by_attempt as (
    select
        question_id,
        week_start,
        max(case when place = 1 then topic_id end) as first_topic_id,
        count(*) as attempts,
        {{ count_where('hint_used') }} as attempts_with_hint
    from placed
    group by question_id, week_start
),

by_first_attempt as (
    select
        question_id,
        week_start,
        count(*) as first_attempts,
        sum(correct) as first_attempts_correct,
        count(earlier_share) as pairs,
        {{ count_where('earlier_share is not null and correct = 1') }} as pairs_correct,
        sum(earlier_share) as earlier_shares,
        sum(case when correct = 1 then earlier_share end) as earlier_shares_correct,
        sum(earlier_share * earlier_share) as earlier_shares_squared
    from first_attempts
    group by question_id, week_start
)

select
    by_attempt.question_id,
    by_attempt.week_start,
    by_attempt.first_topic_id,
    by_attempt.attempts,
    by_attempt.attempts_with_hint,
    coalesce(by_first_attempt.first_attempts, 0) as first_attempts,
    cast(coalesce(by_first_attempt.first_attempts_correct, 0) as bigint) as first_attempts_correct,
    coalesce(by_first_attempt.pairs, 0) as pairs,
    coalesce(by_first_attempt.pairs_correct, 0) as pairs_correct,
    cast(coalesce(by_first_attempt.earlier_shares, 0) as decimal(38, 0)) as earlier_shares,
    cast(coalesce(by_first_attempt.earlier_shares_correct, 0) as decimal(38, 0)) as earlier_shares_correct,
    cast(coalesce(by_first_attempt.earlier_shares_squared, 0) as decimal(38, 0)) as earlier_shares_squared
from by_attempt
left join by_first_attempt
    on by_attempt.question_id = by_first_attempt.question_id and by_attempt.week_start = by_first_attempt.week_start
order by by_attempt.week_start
