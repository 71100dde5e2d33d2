{#
The sum of a 60-bit hash of each row: the same whatever the order of rows, and brought up to date by the rows that went and came,
so that a mart's content hash costs no scan of its history. Texts are the same on every engine; each stands behind its length, so that
no two rows share a text. `node` is the mart, whose contract has the columns.
#}
{% macro content_sum(node, rows) %}
    {%- set parts = [] -%}
    {%- for column in node['columns'].values() | sort(attribute='name') -%}
        {%- set name = adapter.quote(column.name) -%}
        {%- set text -%}
            {%- if column.data_type == 'double' -%}{{ double_text(name) }}
            {%- else -%}cast({{ name }} as string){%- endif -%}
        {%- endset -%}
        {%- do parts.append("coalesce(cast(length(" ~ text ~ ") as string) || ':' || " ~ text ~ ", '-')") -%}
    {%- endfor -%}
    (select coalesce(sum(cast({{ text_hash('concat(' ~ parts | join(', ') ~ ')') }} as decimal(38, 0))), 0) from {{ rows }})
{%- endmacro %}
