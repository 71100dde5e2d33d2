select
    load_id,
    system,
    stream,
    extract_date,
    loaded_at
from {{ source('lake', 'failed_loads') }}
