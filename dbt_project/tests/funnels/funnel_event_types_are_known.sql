with declared as (
    select
        funnel,
        system,
        event_type
    from {{ ref('funnels') }}
),

known as (
    select
        system,
        event_type
    from {{ source('lake', 'event_types') }}
)

select
    declared.funnel,
    declared.system,
    declared.event_type
from declared
left join known on declared.system = known.system and declared.event_type = known.event_type
where known.event_type is null
