{{ config(meta={'keyed': keyed_by(['session_id'], ['study_sessions'])}) }}

select
    session_id,
    end_reason,
    is_active,
    started_at,
    ended_at,
    duration_seconds,
    active_seconds,
    events,
    events_after_end
from {{ touched_rows(ref('study_sessions')) }}
where
    is_active != (end_reason = 'active')
    or is_active != (ended_at is null)
    or is_active != (duration_seconds is null)
    or ended_at < started_at
    or active_seconds > duration_seconds
    or events_after_end >= events
