{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['topic_id'],
        'follows': {'int_study__questions': 'select topic_id from changes'},
        'champion': true,
        'log': ['question_id'],
    }},
) }}

with questions as (
    select *
    from {{ touched_rows(ref('int_study__questions')) }}
),

difficulties as (
    select
        id,
        difficulty
    from {{ ref('int_study__mastery_difficulties') }}
    where level = 'question'
),

-- n times a sum of products, less the product of the sums: in whole numbers, so that no spread is exactly 0.
spreads as (
    select
        *,
        cast(sum(first_attempts) over (partition by topic_id) as bigint) as topic_first_attempts,
        cast(sum(first_attempts_correct) over (partition by topic_id) as bigint) as topic_first_attempts_correct,
        cast(pairs as decimal(38, 0)) * cast(pairs_correct as decimal(38, 0))
        - cast(pairs_correct as decimal(38, 0)) * cast(pairs_correct as decimal(38, 0)) as spread_of_correct,
        cast(pairs as decimal(38, 0)) * earlier_shares_squared - earlier_shares * earlier_shares as spread_of_shares,
        cast(pairs as decimal(38, 0)) * earlier_shares_correct - cast(pairs_correct as decimal(38, 0)) * earlier_shares as spread_together
    from questions
)

select
    question_id,
    topic_id,
    attempts,
    first_attempts,
    {{ ratio(
        'first_attempts_correct * topic_first_attempts + ' ~ var('first_attempt_prior') ~ ' * topic_first_attempts_correct',
        '(first_attempts + ' ~ var('first_attempt_prior') ~ ') * topic_first_attempts'
    ) }} as p_correct_first,
    case
        when pairs >= {{ var('fewest_discrimination_pairs') }} and spread_of_correct > 0 and spread_of_shares > 0
            then
                round(
                    cast(spread_together as double) / (sqrt(cast(spread_of_correct as double)) * sqrt(cast(spread_of_shares as double))),
                    9
                )
    end as discrimination,
    median_time_to_answer_seconds,
    {{ ratio('attempts_with_hint', 'attempts') }} as hint_rate,
    round(difficulties.difficulty, 9) as model_difficulty
from spreads
left join difficulties on spreads.question_id = difficulties.id
