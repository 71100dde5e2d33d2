{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'telemetry_quality_daily'}}}) }}
{#- A check is shown at a model that it depends on: at the mart that tells how events are delivered. -#}
{%- do ref('telemetry_quality_daily') -%}

{#- Every column of the models that hold the events, so that a new one is looked at too; one that is never null cannot warn. -#}
{%- set grain = ['stream', 'event_type', 'extract_date'] -%}
{%- set columns = {} -%}
{%- for posted in posted_streams() if posted['event_date'] -%}
{%- set all_columns = keyed_node(posted['model']).columns.keys() if execute else ['event_id'] -%}
{%- do columns.update({posted['model']: all_columns | reject('in', grain) | list}) -%}
{%- endfor -%}

with
{%- for posted in posted_streams() if posted['event_date'] %}
counted_{{ posted['system'] }} as (
    select
        '{{ posted['system'] }}' as system,
        {{ grain | join(',\n        ') }},
        {%- for column in columns[posted['model']] %}
        {#- An event that came without an id has a hash of its content for one. #}
        {%- set own_id = 'case when not is_hashed then event_id end' if 'is_hashed' in columns[posted['model']] else 'event_id' %}
        count({{ own_id if column == 'event_id' else column }}) as {{ column }},
        {%- endfor %}
        count(*) as events
    from {{ ref(posted['model']) }}
    where copy_status = 'kept' and {{ is_alertable_or_usual('extract_date') }}
    group by {{ grain | join(', ') }}
),

fields_{{ posted['system'] }} as (
    {%- for column in columns[posted['model']] %}
    select '{{ column }}' as field
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),
{% endfor %}
filled as (
    {%- for posted in posted_streams() if posted['event_date'] %}
    select
        system,
        {{ grain | join(',\n        ') }},
        field,
        events,
        case field
            {%- for column in columns[posted['model']] %}
            when '{{ column }}' then {{ column }}
            {%- endfor %}
        end as events_filled
    from counted_{{ posted['system'] }}
    cross join fields_{{ posted['system'] }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

usual as (
    select
        filled.system,
        filled.stream,
        filled.event_type,
        filled.field,
        filled.extract_date,
        filled.events,
        {{ ratio('filled.events_filled', 'filled.events') }} as filled_rate,
        {{ ratio('sum(earlier.events_filled)', 'sum(earlier.events)') }} as usual_filled_rate
    from filled
    inner join filled as earlier
        on
            filled.system = earlier.system
            and filled.stream = earlier.stream
            and filled.event_type = earlier.event_type
            and filled.field = earlier.field
            and filled.extract_date > earlier.extract_date
            and earlier.extract_date >= {{ days_after('filled.extract_date', '-' ~ var('alert_usual_days')) }}
    where {{ is_alertable('filled.extract_date') }} and filled.events >= {{ var('alert_filled_fewest_events') }}
    group by
        filled.system,
        filled.stream,
        filled.event_type,
        filled.field,
        filled.extract_date,
        filled.events,
        filled.events_filled
    having count(*) >= {{ var('alert_usual_fewest_days') }}
)

select *
from usual
where filled_rate < usual_filled_rate - {{ var('alert_filled_margin') }}
