{{ config(meta={'keyed': keyed_by(['session_id'], ['test_sessions'])}) }}

select
    session_id,
    status,
    created_at,
    submitted_at,
    expired_at,
    duration_seconds,
    questions_in_session,
    questions_answered
from {{ touched_rows(ref('test_sessions')) }}
where
    (status = 'submitted') != (submitted_at is not null and (expired_at is null or submitted_at <= expired_at) and status != 'expired')
    or (status = 'expired') != (expired_at is not null and (submitted_at is null or expired_at <= submitted_at) and status != 'submitted')
    or (status in ('submitted', 'expired') and created_at is not null) != (duration_seconds is not null)
    or questions_answered > questions_in_session
    or questions_viewed > questions_in_session
    or marked_for_review > questions_in_session
