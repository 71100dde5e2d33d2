{{ config(materialized='view') }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    child_id,
    recommendation_id,
    is_collapsed
from {{ ref('stg_recommendation__events') }}
