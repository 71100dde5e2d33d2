select
    event_id,
    event_type,
    event_ts,
    event_date,
    event_order,
    child_id,
    recommendation_id,
    position,
    is_collapsed,
    extract_date,
    source_file,
    source_line
from {{ ref('base_recommendation__events') }}
where copy_status = 'kept'
