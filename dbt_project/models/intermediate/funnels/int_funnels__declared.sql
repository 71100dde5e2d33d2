{{ config(materialized='view') }}

select
    funnel,
    case when role = 'step' then step end as step,
    role,
    system,
    event_type,
    window_hours,
    entity,
    max(case when role = 'step' then step end) over (partition by funnel) as steps
from {{ ref('funnels') }}
