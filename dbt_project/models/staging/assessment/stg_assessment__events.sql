select
    event_id,
    event_type,
    event_ts,
    event_date,
    client_ts,
    received_at,
    seq,
    session_id,
    user_id,
    question_id,
    source,
    state,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ ref('base_assessment__judged_events') }}
where verdict = 'accepted'
