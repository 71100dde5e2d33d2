select
    event_id,
    event_type,
    event_ts,
    event_date,
    user_id,
    chapter_id,
    section_id,
    block_type,
    error_type,
    extract_date,
    source_file,
    source_line
from {{ ref('base_textbook__events') }}
where copy_status = 'kept'
