{{ config(materialized='view') }}

select
    funnel,
    step,
    role,
    system,
    event_type,
    window_hours,
    entity,
    max(step) over (partition by funnel) as steps
from {{ ref('funnels') }}
