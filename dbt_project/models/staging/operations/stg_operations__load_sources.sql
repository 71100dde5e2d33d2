select
    system,
    stream,
    extract_date,
    source,
    rows_read,
    rows_rejected,
    batches
from {{ source('lake', 'load_sources') }}
