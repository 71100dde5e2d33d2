{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['system', 'event_id'],
        'follows': {
            'base_study__events': "select 'study' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_assessment__judged_events': "select 'assessment' as system, event_id, event_date from changes where verdict = 'accepted'",
            'base_recommendation__events': "select 'recommendation' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_collaboration__events': "select 'collaboration' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_textbook__events': "select 'textbook' as system, event_id, event_date from changes where copy_status = 'kept'",
        },
        'date': 'event_date',
        'log': ['funnel', 'entity', 'event_date'],
    }},
) }}

{#- What orders events at one instant before their id does, and whether events are marked as collapsed, where a system has that. -#}
{%- set order_at_an_instant = {'assessment': 'seq', 'recommendation': 'event_order'} -%}
{%- set is_collapsed = {'recommendation': 'is_collapsed'} -%}

with declared as (
    select *
    from {{ ref('int_funnels__declared') }}
),

events as (
    {%- for system, columns in funnel_columns().items() %}
    select
        declared.funnel,
        declared.step,
        declared.steps,
        declared.role,
        declared.window_hours,
        '{{ system }}' as system,
        {{ funnel_entity('declared.entity', 'events', columns) }} as entity,
        events.event_id,
        events.event_ts,
        events.event_date,
        cast({{ order_at_an_instant.get(system, 'null') }} as bigint) as order_at_an_instant,
        {{ is_collapsed.get(system, 'false') }} as is_collapsed
    from {{ touched_rows(ref('stg_' ~ system ~ '__events'), columns={'system': "'" ~ system ~ "'"}, date='event_date') }} as events
    inner join declared on events.event_type = declared.event_type and declared.system = '{{ system }}'
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    funnel,
    step,
    steps,
    role,
    window_hours,
    system,
    entity,
    event_id,
    event_ts,
    event_date,
    order_at_an_instant,
    is_collapsed
from events
where entity is not null
order by event_date
