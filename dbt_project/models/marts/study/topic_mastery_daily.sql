{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'topic_id', 'date'],
        'follows': {'int_study__mastery_states': "
            select user_id, topic_id, date from changes
            union
            select days.user_id, days.topic_id, days.date
            from (
                select user_id, topic_id, date, lead(date) over (partition by user_id, topic_id order by date) as next_date
                from self
                semi join changes using (user_id, topic_id)
            ) as days
            inner join (select user_id, topic_id, min(date) as first_date from changes group by user_id, topic_id) as touched
                on days.user_id = touched.user_id and days.topic_id = touched.topic_id
            where days.next_date >= touched.first_date or days.next_date is null
        "},
        'date': 'date',
        'log': ['user_id', 'topic_id'],
    }},
) }}

with states as (
    select
        *,
        {{ start_of(days_after('date', 1)) }} as day_ends_at
    from {{ touched_rows(ref('int_study__mastery_states'), date='date') }}
),

newest as (
    select
        user_id,
        topic_id,
        max(date) as date
    from {{ touched_rows(ref('int_study__mastery_states'), by=['user_id', 'topic_id']) }}
    group by user_id, topic_id
),

placed as (
    select
        *,
        {{ mastery_days('attempted_at', 'day_ends_at') }} as days_to_end,
        row_number() over (partition by user_id, topic_id, date order by attempted_at desc, attempt_id desc) as place_from_end_of_day
    from states
)

select
    placed.user_id,
    placed.topic_id,
    placed.date,
    {{ mastery_score_at('days_to_end') }} as mastery_score,
    {{ mastery_low_at('days_to_end') }} as mastery_low,
    {{ mastery_high_at('days_to_end') }} as mastery_high,
    evidence,
    topic_attempts as questions_attempted,
    topic_correct as questions_correct,
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
    placed.date = newest.date as is_newest
from placed
inner join newest on placed.user_id = newest.user_id and placed.topic_id = newest.topic_id
where placed.place_from_end_of_day = 1
order by placed.date
