{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['system', 'event_id', 'event_date'],
        'follows': {
            'base_study__events': "select 'study' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_assessment__judged_events': "select 'assessment' as system, event_id, event_date from changes where verdict = 'accepted'",
            'base_recommendation__events': "select 'recommendation' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_collaboration__events': "select 'collaboration' as system, event_id, event_date from changes where copy_status = 'kept'",
            'base_textbook__events': "select 'textbook' as system, event_id, event_date from changes where copy_status = 'kept'",
        },
        'date': 'event_date',
        'log': ['funnel', 'entity', 'event_date', 'window_hours'],
    }},
) }}

{#- What orders events at one instant before their id does, and whether events are marked as collapsed, where a system has that. -#}
{%- set order_at_an_instant = {'assessment': 'seq', 'recommendation': 'event_order'} -%}
{%- set is_collapsed = {'recommendation': 'is_collapsed'} -%}

with declared as (
    select
        *,
        split_part(entity, '+', 1) as column_1,
        split_part(entity, '+', 2) as column_2,
        split_part(entity, '+', 3) as column_3
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
        declared.column_2 != '' as has_part_2,
        declared.column_3 != '' as has_part_3,
        {%- for number in range(1, 4) %}
        {{ funnel_part('declared.column_' ~ number, 'events', columns) }} as part_{{ number }},
        {%- endfor %}
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
    {{ funnel_escape('part_1') }}
    || case when has_part_2 then '|' || {{ funnel_escape('part_2') }} else '' end
    || case when has_part_3 then '|' || {{ funnel_escape('part_3') }} else '' end as entity,
    event_id,
    event_ts,
    event_date,
    order_at_an_instant,
    is_collapsed
from events
where part_1 is not null and (part_2 is not null or not has_part_2) and (part_3 is not null or not has_part_3)
order by event_date
