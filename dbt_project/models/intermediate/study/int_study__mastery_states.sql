{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'question_attempts': "
            select user_id, date from changes
            union
            select self.user_id, self.date
            from self
            inner join (select user_id, min(date) as first_date from changes group by user_id) as touched
                on self.user_id = touched.user_id and self.date > touched.first_date
        "},
        'date': 'date',
        'champion': true,
        'log': ['user_id', 'topic_id', 'date'],
    }},
) }}

with question_attempts as (
    select
        attempt_id,
        user_id,
        topic_id,
        question_id,
        attempted_at,
        is_correct,
        case when is_correct then 1 else 0 end as correct,
        case when hint_used then 1 else 0 end as hinted
    from {{ touched_rows(ref('question_attempts'), date='date') }}
),

difficulties as (
    select *
    from {{ ref('int_study__mastery_difficulties') }}
),

-- In one row, whatever the fitted model has.
coefficients as (
    {{ mastery_coefficients(ref('int_study__mastery_coefficients')) }}
),

overall as (
    select
        (select max(model_version) from {{ ref('int_study__mastery_coefficients') }}) as model_version,
        coalesce(max(difficulty), 0) as difficulty,
        coalesce(max(expected_millionths), 500000) as expected_millionths,
        coalesce(max(information_millionths), 250000) as information_millionths
    from difficulties
    where level = 'overall'
),

-- What the model holds for the attempt's question and topic.
attempts as (
    select
        question_attempts.*,
        overall.model_version,
        coefficients.fading_days,
        coalesce(questions.difficulty, topics.difficulty, overall.difficulty) as question_difficulty,
        coalesce(topics.difficulty, overall.difficulty) as topic_difficulty,
        coalesce(questions.expected_millionths, topics.expected_millionths, overall.expected_millionths) as expected,
        coalesce(questions.information_millionths, topics.information_millionths, overall.information_millionths) as information
    from question_attempts
    cross join overall
    cross join coefficients
    left join difficulties as questions on questions.level = 'question' and question_attempts.question_id = questions.id
    left join difficulties as topics on topics.level = 'topic' and question_attempts.topic_id = topics.id
),

started as (
    select
        {{ mastery_sums_at_start() }}
        attempts.*
    from attempts
    {{ mastery_join_start() }}
),

so_far as (
    select
        {{ mastery_sums_so_far() }}
        started.*
    from started
    window {{ mastery_windows('rows between unbounded preceding and current row') }}
),

ago as (
    select
        {{ mastery_columns_ago() }}
        so_far.*
    from so_far
    {{ mastery_join_ago() }}
),

memories as (
    select
        {{ mastery_memory_columns('before') }}
        {{ mastery_memory_columns('after') }}
        ago.*
    from ago
),

features as (
    select
        attempt_id,
        user_id,
        topic_id,
        question_id,
        attempted_at,
        is_correct,
        model_version,
        fading_days,
        {{ 'reached_mastered_at_start,' if is_keyed_run() }}
        {{ mastery_sum_columns('memories') }}
        {{ mastery_feature_columns('before') }}
        {{ mastery_feature_columns('after') }}
        round(4 * topic_information / 1e6, 9) as evidence
    from memories
),

-- What follows is computed from rounded numbers, so that it is the same wherever the published ones are read.
scores as (
    select
        features.attempt_id,
        features.user_id,
        features.topic_id,
        features.question_id,
        features.attempted_at,
        features.is_correct,
        features.model_version,
        features.fading_days,
        {{ 'features.reached_mastered_at_start,' if is_keyed_run() }}
        {{ mastery_sum_columns('features') }}
        features.evidence,
        round({{ mastery_probability(mastery_log_odds('before')) }}, 9) as predicted_correct,
        round({{ mastery_log_odds('after') }}, 9) as log_odds_at_practice,
        round(coefficients.topic_fading + coefficients.topic_fading_of_practice * features.after_topic_attempts, 9) as log_odds_per_log_day,
        coefficients.interval_variance + coefficients.interval_newness / (1 + features.evidence) as interval_variance
    from features
    cross join coefficients
),

intervals as (
    select
        *,
        round(
            1.6448536269514722e0 * sqrt(interval_variance * cosh(least(abs(log_odds_at_practice), 4) / 2)), 9
        ) as log_odds_margin
    from scores
),

levels as (
    select
        *,
        {{ mastery_lasts_until(
            'least(log_odds_at_practice - ' ~ mastery_log_odds_of(var('mastered_score'))
            ~ ', log_odds_at_practice - log_odds_margin - ' ~ mastery_log_odds_of(var('mastered_low')) ~ ')'
        ) }} as mastered_until,
        {{ mastery_lasts_until('(log_odds_at_practice - ' ~ mastery_log_odds_of(var('proficient_score')) ~ ')') }} as proficient_until
    from intervals
)

select
    attempt_id,
    user_id,
    topic_id,
    question_id,
    cast(attempted_at as date) as date,
    attempted_at,
    is_correct,
    predicted_correct,
    model_version,
    {{ text_hash('user_id', digits=8) }} % 5 = 0 as is_held_out,
    {{ mastery_sum_columns('levels') }}
    evidence,
    log_odds_at_practice,
    log_odds_per_log_day,
    log_odds_margin,
    fading_days,
    mastered_until,
    proficient_until,
    coalesce(
        {{ 'reached_mastered_at_start' if is_keyed_run() else 'null' }},
        min(case when mastered_until is not null and evidence >= {{ var('min_evidence') }} then attempted_at end) over (
            partition by user_id, topic_id order by attempted_at, attempt_id rows between unbounded preceding and current row
        )
    ) as reached_mastered_at
from levels
order by date
