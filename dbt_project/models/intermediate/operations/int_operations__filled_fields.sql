{%- set events = posted_streams() | selectattr('event_date') | list -%}
{%- set follows = {} -%}
{%- for posted in events -%}
    {%- do follows.update({
        posted['model']: "select '" ~ posted['system'] ~ "' as system, " ~ posted_stream(posted) ~ " as stream, extract_date from changes"
            ~ " where copy_status = 'kept'",
    }) -%}
{%- endfor -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {'key': ['system', 'stream', 'extract_date'], 'follows': follows, 'date': 'extract_date'}},
) }}

{#- Every column of the models that hold the events, so that a new one is looked at too: it builds its model in full, and so this one. -#}
{%- set grain = ['stream', 'event_type', 'extract_date'] -%}
{%- set fields = {} -%}
{%- for posted in events -%}
{%- set columns = keyed_node(posted['model']).columns.keys() if execute else ['event_id'] -%}
{%- do fields.update({posted['model']: columns | reject('in', grain) | list}) -%}
{%- endfor -%}

with
{%- for posted in events %}
counted_{{ posted['system'] }} as (
    select
        {{ grain | join(',\n        ') }},
        {%- for field in fields[posted['model']] %}
        {#- An event that came without an id has a hash of its content for one. #}
        {%- set own_id = 'case when not is_hashed then event_id end' if 'is_hashed' in fields[posted['model']] else 'event_id' %}
        count({{ own_id if field == 'event_id' else field }}) as {{ field }},
        {%- endfor %}
        count(*) as events
    from {{ touched_rows(ref(posted['model']), columns={'system': "'" ~ posted['system'] ~ "'"}, date='extract_date') }}
    where copy_status = 'kept'
    group by {{ grain | join(', ') }}
),

fields_{{ posted['system'] }} as (
    {%- for field in fields[posted['model']] %}
    select '{{ field }}' as field
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),
{% endfor %}
filled as (
    {%- for posted in events %}
    select
        '{{ posted['system'] }}' as system,
        {{ grain | join(',\n        ') }},
        field,
        events,
        case field
            {%- for field in fields[posted['model']] %}
            when '{{ field }}' then {{ field }}
            {%- endfor %}
        end as events_filled
    from counted_{{ posted['system'] }}
    cross join fields_{{ posted['system'] }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    system,
    stream,
    event_type,
    extract_date,
    field,
    events,
    events_filled
from filled
order by extract_date
