with declared as (
    select distinct
        funnel,
        system,
        entity,
        1 + length(entity) - length(replace(entity, '+', '')) as number_of_parts
    from {{ ref('funnels') }}
    where entity != ''
),

parts as (
    {%- for number in range(1, 4) %}
    select
        funnel,
        system,
        split_part(entity, '+', {{ number }}) as part
    from declared
    where number_of_parts between {{ number }} and 3
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select distinct
    funnel,
    'has "' || part || '" in its entity, which is no text column of the system ' || system || ' that tells entities apart' as fault
from parts
where
    not (
        {%- for system, columns in funnel_columns().items() %}
        (system = '{{ system }}' and part in ('{{ columns | join("', '") }}')){{ ' or' if not loop.last }}
        {%- endfor %}
    )

union all

select
    funnel,
    'has the entity "' || entity || '", which has more than three parts' as fault
from declared
where number_of_parts > 3
