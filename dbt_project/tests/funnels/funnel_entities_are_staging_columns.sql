with declared as (
    select distinct
        funnel,
        system,
        entity
    from {{ ref('funnels') }}
),

parts as (
    {%- for number in range(1, 5) %}
    select
        funnel,
        system,
        {{ number }} as number,
        split_part(entity, '+', {{ number }}) as part
    from declared
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    funnel,
    system,
    number,
    part
from parts
where
    (part = '' and number = 1)
    or (part != '' and number = 4)
    or (part != '' and not (
        {%- for system, columns in funnel_columns().items() %}
        (system = '{{ system }}' and part in ('{{ columns | join("', '") }}')){{ ' or' if not loop.last }}
        {%- endfor %}
    ))
