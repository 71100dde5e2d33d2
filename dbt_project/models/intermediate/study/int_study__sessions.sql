{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_study__events': "select session_id, event_date from changes where copy_status = 'kept' and event_type not like 'streak%'",
            'int_study__derived_sessions': 'select session_id, event_date from changes',
            'int_study__session_days': 'select session_id, event_date from changes',
        },
        'also': 'select session_id, null as event_date from self where is_active',
        'date': 'event_date',
        'dates_in': {'int_study__session_days': ['session_id']},
        'as_of': true,
        'log': ['session_id', 'user_id'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
),

session_days as (
    select *
    from {{ touched_rows(ref('int_study__session_days'), date='event_date') }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

timeline as (
    {{ session_timeline('events') }}
),

active as (
    select
        session_id,
        sum(active_microseconds) as active_microseconds
    from session_days
    group by session_id
),

sessions as (
    select
        session_id,
        is_derived,
        max(case when position = 1 then user_id end) as user_id,
        min(event_ts) as started_at,
        max(explicit_end_at) as explicit_end_at,
        max(case when not is_late_end then event_ts end) as last_present_at,
        min(case when event_type = 'session_start' and device_type is not null then position end) as device_position,
        min(case when event_type = 'session_start' and timezone is not null then position end) as timezone_position,
        max(last_end_position) as last_end_position,
        {{ count_where("event_type = 'session_pause'") }} as pause_count,
        {{ count_distinct_where('material_id', "event_type in ('material_open', 'material_read')") }} as materials_viewed,
        {{ count_distinct_where('material_id', 'completes_material') }} as materials_completed,
        {{ count_distinct_where('chunk_id', "event_type = 'material_read'") }} as chunks_read,
        {{ count_where("event_type = 'question_submit'") }} as questions_attempted,
        {{ count_where("event_type = 'question_submit' and is_correct") }} as questions_correct,
        {{ count_where("event_type = 'ai_question_asked'") }} as ai_interactions,
        {{ sum_of_integers("case when event_type = 'xp_earned' then xp_amount end") }} as xp_earned,
        {{ count_where("event_type = 'achievement_unlocked'") }} as achievements_unlocked,
        {{ count_where("event_type = 'search_performed'") }} as searches,
        count(distinct user_id) as users,
        count(*) as events
    from timeline
    group by session_id, is_derived
),

ended as (
    select
        sessions.*,
        case
            when sessions.explicit_end_at is not null then 'explicit'
            when as_of.as_of > {{ minutes_after('sessions.last_present_at', var('inactivity_minutes')) }} then 'timeout'
            else 'active'
        end as end_reason
    from sessions
    cross join as_of
),

spans as (
    select
        *,
        case end_reason when 'explicit' then explicit_end_at when 'timeout' then last_present_at end as ended_at
    from ended
),

-- What single events of the session say: its first session_starts, its last session_end, and what comes after its end.
statements as (
    select
        spans.session_id,
        max(case when timeline.position = spans.device_position then timeline.device_type end) as device_type,
        max(case when timeline.position = spans.timezone_position then timeline.timezone end) as timezone,
        max(case when timeline.position = spans.last_end_position then timeline.reported_duration_seconds end) as reported_duration_seconds,
        max(case when timeline.position = spans.last_end_position then timeline.reported_active_seconds end) as reported_active_seconds,
        max(case when timeline.position = spans.last_end_position then timeline.reported_materials_viewed end) as reported_materials_viewed,
        max(case when timeline.position = spans.last_end_position then timeline.reported_questions_attempted end)
            as reported_questions_attempted,
        max(case when timeline.position = spans.last_end_position then timeline.reported_xp_earned end) as reported_xp_earned,
        {{ count_where('timeline.event_ts > spans.ended_at') }} as events_after_end
    from spans
    inner join timeline on spans.session_id = timeline.session_id
    group by spans.session_id
)

select
    spans.session_id,
    spans.user_id,
    spans.is_derived,
    spans.started_at,
    spans.ended_at,
    spans.end_reason,
    spans.end_reason = 'active' as is_active,
    spans.last_present_at,
    {{ seconds(microseconds_between('spans.started_at', 'spans.ended_at')) }} as duration_seconds,
    {{ seconds('active.active_microseconds') }} as active_seconds,
    spans.pause_count,
    spans.materials_viewed,
    spans.materials_completed,
    spans.chunks_read,
    spans.questions_attempted,
    spans.questions_correct,
    spans.ai_interactions,
    spans.xp_earned,
    spans.achievements_unlocked,
    spans.searches,
    statements.device_type,
    statements.timezone,
    spans.events,
    statements.events_after_end,
    spans.users,
    statements.reported_duration_seconds,
    statements.reported_active_seconds,
    statements.reported_materials_viewed,
    statements.reported_questions_attempted,
    statements.reported_xp_earned
from spans
inner join statements on spans.session_id = statements.session_id
inner join active on spans.session_id = active.session_id
order by spans.started_at
