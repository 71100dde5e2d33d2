{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {'int_study__sessions': 'select user_id from changes'},
        'log': ['session_id', 'user_id', 'cast(started_at as date) as date'],
    }},
) }}

with sessions as (
    select *
    from {{ touched_rows(ref('int_study__sessions')) }}
),

-- Two spans of a user share more than a point exactly if both have a length and one starts before the other ends.
spans as (
    select
        session_id,
        user_id,
        started_at,
        coalesce(ended_at, last_present_at) as until
    from sessions
    where coalesce(ended_at, last_present_at) > started_at
),

neighbours as (
    select
        session_id,
        max(until) over (
            partition by user_id order by started_at, session_id rows between unbounded preceding and 1 preceding
        ) > started_at as overlaps_earlier,
        lead(started_at) over (partition by user_id order by started_at, session_id) < until as overlaps_later
    from spans
)

select
    sessions.session_id,
    sessions.user_id,
    sessions.is_derived,
    sessions.started_at,
    sessions.ended_at,
    sessions.end_reason,
    sessions.is_active,
    sessions.duration_seconds,
    sessions.active_seconds,
    sessions.pause_count,
    sessions.materials_viewed,
    sessions.materials_completed,
    sessions.chunks_read,
    sessions.questions_attempted,
    sessions.questions_correct,
    sessions.ai_interactions,
    sessions.xp_earned,
    sessions.achievements_unlocked,
    sessions.searches,
    sessions.device_type,
    sessions.timezone,
    sessions.events,
    sessions.events_after_end,
    coalesce(neighbours.overlaps_earlier, false) or coalesce(neighbours.overlaps_later, false) as overlaps_other_session,
    sessions.reported_duration_seconds,
    sessions.reported_active_seconds,
    sessions.reported_materials_viewed,
    sessions.reported_questions_attempted,
    sessions.reported_xp_earned
from sessions
left join neighbours on sessions.session_id = neighbours.session_id
order by sessions.started_at
