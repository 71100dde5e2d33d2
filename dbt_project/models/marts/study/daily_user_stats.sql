{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {
            'base_study__events': "select user_id, event_date as date from changes where copy_status = 'kept'",
            'int_study__session_days': 'select user_id, event_date as date from changes',
            'int_study__streaks': 'select user_id, date from changes',
            'question_attempts': 'select user_id, date from changes',
            'study_sessions': 'select user_id, date from changes',
        },
        'date': 'date',
        'log': ['user_id', 'date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
),

session_days as (
    select *
    from {{ touched_rows(ref('int_study__session_days'), columns={'date': 'read.event_date'}, date='event_date') }}
),

streaks as (
    select *
    from {{ touched_rows(ref('int_study__streaks'), date='date') }}
),

attempts as (
    select *
    from {{ touched_rows(ref('question_attempts'), date='date') }}
),

sessions as (
    select *
    from {{ touched_rows(ref('study_sessions'), columns={'date': 'cast(read.started_at as date)'}, time='started_at') }}
),

by_event as (
    select
        user_id,
        event_date as date,
        {{ count_distinct_where('material_id', "event_type in ('material_open', 'material_read')") }} as materials_viewed,
        {{ count_distinct_where('material_id', 'completes_material') }} as materials_completed,
        {{ count_distinct_where('chunk_id', "event_type = 'material_read'") }} as chunks_read,
        {{ sum_of_decimals("case when event_type = 'material_read' then time_spent_seconds end") }} as reading_seconds,
        {{ count_where("event_type = 'question_submit'") }} as questions_attempted,
        {{ count_where("event_type = 'question_submit' and is_correct") }} as questions_correct,
        {{ count_distinct_where('topic_id', 'is_learning_event') }} as topics_studied,
        {{ count_where("event_type = 'ai_question_asked'") }} as ai_interactions,
        {{ count_where("event_type = 'ai_hint_requested'") }} as hints_requested,
        {{ count_where("event_type = 'quiz_complete'") }} as quizzes_completed,
        {{ count_where("event_type = 'search_performed'") }} as searches,
        {{ sum_of_integers("case when event_type = 'xp_earned' then xp_amount end") }} as xp_earned,
        {{ count_where("event_type = 'achievement_unlocked'") }} as achievements_unlocked,
        {{ count_where('is_learning_event') }} > 0 as is_active_day
    from events
    group by user_id, event_date
),

by_session_day as (
    select
        user_id,
        event_date as date,
        sum(active_microseconds) as active_microseconds
    from session_days
    group by user_id, event_date
),

by_attempt as (
    select
        user_id,
        date,
        {{ count_where('is_first_attempt') }} as first_attempts
    from attempts
    group by user_id, date
),

by_session as (
    select
        user_id,
        cast(started_at as date) as date,
        count(*) as sessions_started
    from sessions
    group by user_id, cast(started_at as date)
),

user_days as (
    select
        user_id,
        date
    from by_event
    union
    select
        user_id,
        date
    from by_session_day
    where active_microseconds > 0
)

select
    user_days.user_id,
    user_days.date,
    coalesce(by_session.sessions_started, 0) as sessions_started,
    {{ seconds('coalesce(by_session_day.active_microseconds, 0)') }} as active_seconds,
    coalesce(by_event.materials_viewed, 0) as materials_viewed,
    coalesce(by_event.materials_completed, 0) as materials_completed,
    coalesce(by_event.chunks_read, 0) as chunks_read,
    coalesce(by_event.reading_seconds, 0) as reading_seconds,
    coalesce(by_event.questions_attempted, 0) as questions_attempted,
    coalesce(by_event.questions_correct, 0) as questions_correct,
    {{ ratio('by_event.questions_correct', 'by_event.questions_attempted') }} as accuracy,
    coalesce(by_attempt.first_attempts, 0) as first_attempts,
    coalesce(by_event.topics_studied, 0) as topics_studied,
    coalesce(by_event.ai_interactions, 0) as ai_interactions,
    coalesce(by_event.hints_requested, 0) as hints_requested,
    coalesce(by_event.quizzes_completed, 0) as quizzes_completed,
    coalesce(by_event.searches, 0) as searches,
    coalesce(by_event.xp_earned, 0) as xp_earned,
    coalesce(by_event.achievements_unlocked, 0) as achievements_unlocked,
    coalesce(by_event.is_active_day, false) as is_active_day,
    coalesce(streaks.streak_days, 0) as streak_days
from user_days
left join by_event on user_days.user_id = by_event.user_id and user_days.date = by_event.date
left join by_session_day on user_days.user_id = by_session_day.user_id and user_days.date = by_session_day.date
left join by_attempt on user_days.user_id = by_attempt.user_id and user_days.date = by_attempt.date
left join by_session on user_days.user_id = by_session.user_id and user_days.date = by_session.date
left join streaks on user_days.user_id = streaks.user_id and user_days.date = streaks.date
order by date
