{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {
            'daily_user_stats': 'select user_id from changes',
            'int_study__reward_days': 'select user_id from changes',
            'int_study__achievements': 'select user_id from changes',
            'int_study__user_activity': 'select user_id from changes',
        },
        'log': ['user_id'],
    }},
) }}

with days as (
    select *
    from {{ touched_rows(ref('daily_user_stats')) }}
),

reward_days as (
    select *
    from {{ touched_rows(ref('int_study__reward_days')) }}
),

achievements as (
    select *
    from {{ touched_rows(ref('int_study__achievements')) }}
),

activity as (
    select *
    from {{ touched_rows(ref('int_study__user_activity')) }}
),

users as (
    select
        user_id,
        {{ sum_of_integers('xp_earned') }} as total_xp
    from days
    group by user_id
),

levels as (
    select
        user_id,
        max(highest_level) as level
    from reward_days
    group by user_id
),

reported as (
    select
        user_id,
        max_by(reported_total_xp, date) as reported_total_xp
    from reward_days
    where reported_total_xp is not null
    group by user_id
),

unlocked as (
    select
        user_id,
        count(distinct achievement_id) as achievements
    from achievements
    group by user_id
)

select
    users.user_id,
    users.total_xp,
    reported.reported_total_xp,
    coalesce(levels.level, 1) as level,
    coalesce(activity.current_streak, 0) as current_streak,
    coalesce(activity.longest_streak, 0) as longest_streak,
    activity.last_active_date,
    coalesce(unlocked.achievements, 0) as achievements,
    activity.streak_broken_on
from users
left join levels on users.user_id = levels.user_id
left join reported on users.user_id = reported.user_id
left join unlocked on users.user_id = unlocked.user_id
left join activity on users.user_id = activity.user_id
