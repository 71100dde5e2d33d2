{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id'],
        'follows': {
            'int_study__question_weeks': 'select question_id from changes',
            'int_study__answer_times': 'select question_id from changes',
            'int_study__question_catalog': 'select question_id from changes',
        },
        'log': ['topic_id'],
    }},
) }}

with weeks as (
    select *
    from {{ touched_rows(ref('int_study__question_weeks')) }}
),

answer_times as (
    select *
    from {{ touched_rows(ref('int_study__answer_times')) }}
),

catalog as (
    select *
    from {{ touched_rows(ref('int_study__question_catalog')) }}
),

totals as (
    select
        question_id,
        min_by(first_topic_id, week_start) as first_topic_id,
        cast(sum(attempts) as bigint) as attempts,
        cast(sum(attempts_with_hint) as bigint) as attempts_with_hint,
        cast(sum(first_attempts) as bigint) as first_attempts,
        cast(sum(first_attempts_correct) as bigint) as first_attempts_correct,
        cast(sum(pairs) as bigint) as pairs,
        cast(sum(pairs_correct) as bigint) as pairs_correct,
        cast(sum(earlier_shares) as decimal(38, 0)) as earlier_shares,
        cast(sum(earlier_shares_correct) as decimal(38, 0)) as earlier_shares_correct,
        cast(sum(earlier_shares_squared) as decimal(38, 0)) as earlier_shares_squared
    from weeks
    group by question_id
),

medians as (
    {{ median_of_counts('answer_times', 'question_id', 'answer_seconds', 'attempts') }}
)

select
    totals.question_id,
    coalesce(catalog.topic_id, totals.first_topic_id) as topic_id,
    totals.attempts,
    totals.attempts_with_hint,
    totals.first_attempts,
    totals.first_attempts_correct,
    totals.pairs,
    totals.pairs_correct,
    totals.earlier_shares,
    totals.earlier_shares_correct,
    totals.earlier_shares_squared,
    medians.median_value as median_time_to_answer_seconds
from totals
left join medians on totals.question_id = medians.question_id
left join catalog on totals.question_id = catalog.question_id
