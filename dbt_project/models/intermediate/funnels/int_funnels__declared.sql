{{ config(materialized='view') }}

with declared as (
    select
        funnel,
        case when role = 'step' then {{ whole_number('step') }} end as step,
        role,
        system,
        event_type,
        {{ whole_number('window_hours') }} as window_hours,
        entity
    from {{ ref('funnels') }}
)

select
    funnel,
    step,
    role,
    system,
    event_type,
    window_hours,
    entity,
    max(step) over (partition by funnel) as steps
from declared
