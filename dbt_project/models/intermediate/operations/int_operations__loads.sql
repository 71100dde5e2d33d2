{{ config(materialized='view') }}

select
    system,
    stream,
    extract_date,
    loaded_at,
    rows_read,
    rows_rejected,
    rejected_malformed,
    rejected_batch_too_large,
    rejected_unknown_event_type,
    rejected_missing_field,
    rejected_invalid_field,
    rejected_payload_too_large,
    rejected_timestamp_out_of_range,
    rows_erased,
    bytes,
    files
from {{ ref('stg_operations__loads') }}
