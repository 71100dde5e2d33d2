{{ config(materialized='view') }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    client_ts,
    seq,
    session_id,
    user_id,
    question_id,
    state
from {{ ref('stg_assessment__events') }}
