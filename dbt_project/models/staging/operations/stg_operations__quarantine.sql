select
    system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    source,
    reason,
    detail
from {{ source('lake', 'quarantine') }}
