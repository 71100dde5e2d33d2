{{ config(materialized='view') }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    user_id,
    chapter_id,
    section_id,
    block_type,
    error_type
from {{ ref('stg_textbook__events') }}
