select
    session_id,
    user_id,
    created_at,
    extract_date,
    source_file,
    source_line
from {{ ref('base_assessment__test_sessions') }}
where copy_status = 'kept'
