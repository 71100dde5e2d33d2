{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'topic_id'],
        'follows': {'int_study__mastery_states': 'select user_id, topic_id from changes'},
        'log': ['user_id', 'topic_id'],
    }},
) }}

with states as (
    select
        *,
        {{ start_of(days_after('date', 1)) }} as day_ends_at
    from {{ touched_rows(ref('int_study__mastery_states')) }}
),

placed as (
    select
        *,
        {{ mastery_days('attempted_at', 'day_ends_at') }} as days_to_end,
        row_number() over (partition by user_id, topic_id, date order by attempted_at desc, attempt_id desc) as place_from_end_of_day,
        row_number() over (partition by user_id, topic_id order by attempted_at desc, attempt_id desc) as place_from_end
    from states
)

select
    user_id,
    topic_id,
    date,
    {{ mastery_score_at('days_to_end') }} as mastery_score,
    {{ mastery_low_at('days_to_end') }} as mastery_low,
    {{ mastery_high_at('days_to_end') }} as mastery_high,
    evidence,
    questions_attempted,
    questions_correct,
    {{ mastery_level_at('day_ends_at') }} as mastery_level,
    {{ mastery_recall_at('days_to_end') }} as recall,
    attempted_at as last_practiced_at,
    mastered_until,
    proficient_until,
    reached_mastered_at,
    log_odds_at_practice,
    log_odds_per_log_day,
    log_odds_margin,
    fading_days,
    model_version,
    place_from_end = 1 as is_newest
from placed
where place_from_end_of_day = 1
order by date
