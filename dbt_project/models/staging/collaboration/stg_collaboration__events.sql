select
    event_id,
    event_type,
    event_ts,
    event_date,
    draft_id,
    creator_id,
    user_id,
    segment_id,
    contributor_id,
    from_user_id,
    to_user_id,
    publisher_id,
    extract_date,
    source_file,
    source_line
from {{ ref('base_collaboration__events') }}
where copy_status = 'kept'
