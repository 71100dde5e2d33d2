{#
The value of an event for one of the columns that name an entity: `name` is an expression with that column's name, `columns` are those that it can be.
#}
{% macro funnel_part(name, events, columns) -%}
    case {{ name }}{% for column in columns %} when '{{ column }}' then {{ events }}.{{ column }}{% endfor %} end
{%- endmacro %}

{#
A value as a part of an entity, whose parts are joined by `|`: a `|` in it is written `%7C` and a `%` as `%25` (percent-encoding), so that two entities
never share a text.
#}
{% macro funnel_escape(part) %}replace(replace({{ part }}, '%', '%25'), '|', '%7C'){% endmacro %}

{# The text that stands as a part of an entity, from 1. #}
{% macro funnel_entity_part(entity, number) -%}
    replace(replace(split_part({{ entity }}, '|', {{ number }}), '%7C', '|'), '%25', '%')
{%- endmacro %}

{#
The systems whose events funnels can name, each with the text columns of its staging model that an entity can be made of: what tells of the
row alone, or is the event itself, is nobody who takes a path, and where a row came from would make marts depend on the order of loading.
#}
{% macro funnel_columns() %}
    {%- set columns = {} -%}
    {%- set of_the_row = ['event_id', 'event_type', 'stream', 'source_file'] -%}
    {%- for system in ['study', 'assessment', 'recommendation', 'collaboration', 'textbook'] -%}
        {%- set names = [] -%}
        {%- if execute -%}
            {%- for name, column in keyed_node('stg_' ~ system ~ '__events').columns.items() if column.data_type == 'string' and name not in of_the_row -%}
                {%- do names.append(name) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do columns.update({system: names}) -%}
    {%- endfor -%}
    {{ return(columns) }}
{% endmacro %}
