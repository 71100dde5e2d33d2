{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {
            'daily_user_stats': 'select user_id from changes',
            'study_sessions': 'select user_id from changes',
            'user_gamification': 'select user_id from changes',
            'int_study__user_activity': 'select user_id from changes',
            'int_study__user_mastery': 'select user_id from changes',
            'knowledge_gap_spells': 'select user_id from changes',
        },
    }},
) }}

with days as (
    select *
    from {{ touched_rows(ref('daily_user_stats')) }}
),

sessions as (
    select *
    from {{ touched_rows(ref('study_sessions')) }}
),

gamification as (
    select *
    from {{ touched_rows(ref('user_gamification')) }}
),

activity as (
    select *
    from {{ touched_rows(ref('int_study__user_activity')) }}
),

mastery as (
    select *
    from {{ touched_rows(ref('int_study__user_mastery')) }}
),

gaps as (
    select *
    from {{ touched_rows(ref('knowledge_gap_spells')) }}
),

by_day as (
    select
        user_id,
        cast(sum(questions_attempted) as bigint) as total_questions_attempted,
        cast(sum(questions_correct) as bigint) as total_questions_correct,
        {{ sum_of_decimals('reading_seconds') }} as total_reading_seconds
    from days
    group by user_id
),

by_session as (
    select
        user_id,
        count(*) as total_sessions,
        {{ sum_of_decimals('active_seconds') }} as total_active_seconds,
        round({{ median_of('case when ended_at is not null and not is_derived then active_seconds end') }} / 60, 9)
            as median_session_minutes
    from sessions
    group by user_id
),

open_gaps as (
    select
        user_id,
        count(*) as open_gaps
    from gaps
    where resolved_on is null
    group by user_id
)

select
    by_day.user_id,
    activity.first_active_date,
    activity.last_active_date,
    coalesce(by_session.total_sessions, 0) as total_sessions,
    coalesce(by_session.total_active_seconds, 0) as total_active_seconds,
    by_day.total_questions_attempted,
    by_day.total_questions_correct,
    by_day.total_reading_seconds,
    coalesce(activity.total_active_days, 0) as total_active_days,
    coalesce(activity.active_days_28, 0) as active_days_28,
    {{ ratio('coalesce(activity.active_days_28, 0)', '28') }} as consistency_28,
    gamification.current_streak,
    gamification.longest_streak,
    gamification.total_xp,
    gamification.level,
    coalesce(mastery.topics_mastered, 0) as topics_mastered,
    coalesce(open_gaps.open_gaps, 0) as open_gaps,
    by_session.median_session_minutes,
    activity.usual_hour
from by_day
inner join gamification on by_day.user_id = gamification.user_id
left join by_session on by_day.user_id = by_session.user_id
left join activity on by_day.user_id = activity.user_id
left join mastery on by_day.user_id = mastery.user_id
left join open_gaps on by_day.user_id = open_gaps.user_id
