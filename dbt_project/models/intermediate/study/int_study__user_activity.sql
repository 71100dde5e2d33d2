{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {
            'int_study__active_hours': 'select user_id from changes',
            'int_study__streaks': 'select user_id from changes',
        },
        'also': 'select self.user_id from self cross join as_of where self.changes_at <= as_of.as_of',
        'as_of': true,
        'log': ['user_id'],
    }},
) }}

with active_hours as (
    select *
    from {{ touched_rows(ref('int_study__active_hours')) }}
),

streaks as (
    select *
    from {{ touched_rows(ref('int_study__streaks')) }}
),

as_of as (
    select
        as_of,
        {{ days_after('cast(as_of as date)', -1) }} as last_complete_day
    from {{ ref('int_as_of') }}
),

hours as (
    select
        user_id,
        hour,
        row_number() over (partition by user_id order by sum(learning_events) desc, hour) as place
    from active_hours
    group by user_id, hour
),

usual_hours as (
    select
        user_id,
        hour as usual_hour
    from hours
    where place = 1
),

first_events as (
    select
        user_id,
        date,
        min(first_event_at) as first_event_at
    from active_hours
    group by user_id, date
),

-- Each active day, with the as-of at which it next changes what is said of its user: when it is seen, when it is complete, when the
-- day after it was missed, when it falls out of the last 28 days.
days as (
    select
        streaks.user_id,
        streaks.date,
        streaks.streak_days,
        first_events.first_event_at < as_of.as_of as is_seen,
        streaks.date = as_of.last_complete_day as is_last_complete_day,
        streaks.date between {{ days_after('as_of.last_complete_day', -27) }} and as_of.last_complete_day as is_in_28_days,
        as_of.last_complete_day,
        case
            when first_events.first_event_at >= as_of.as_of then first_events.first_event_at
            when streaks.date > as_of.last_complete_day then {{ start_of(days_after('streaks.date', 1)) }}
            when streaks.date = as_of.last_complete_day then {{ start_of(days_after('streaks.date', 2)) }}
            when streaks.date > {{ days_after('as_of.last_complete_day', -28) }} then {{ start_of(days_after('streaks.date', 29)) }}
        end as changes_at
    from streaks
    inner join first_events on streaks.user_id = first_events.user_id and streaks.date = first_events.date
    cross join as_of
),

users as (
    select
        user_id,
        last_complete_day,
        min(date) as first_active_date,
        max(case when is_seen then date end) as last_active_date,
        count(*) as total_active_days,
        {{ count_where('is_in_28_days') }} as active_days_28,
        coalesce(max(case when is_last_complete_day then streak_days end), 0) as current_streak,
        max(streak_days) as longest_streak,
        min(changes_at) as changes_at
    from days
    group by user_id, last_complete_day
)

select
    users.user_id,
    users.first_active_date,
    users.last_active_date,
    users.total_active_days,
    users.active_days_28,
    users.current_streak,
    users.longest_streak,
    case when users.last_active_date < users.last_complete_day then {{ days_after('users.last_active_date', 1) }} end as streak_broken_on,
    usual_hours.usual_hour,
    users.changes_at
from users
inner join usual_hours on users.user_id = usual_hours.user_id
