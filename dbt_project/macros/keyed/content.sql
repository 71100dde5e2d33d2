{#
The sum of a 60-bit hash of each row: the same whatever the order of rows, and brought up to date by the rows that went and came,
so that a mart's content hash costs no scan of its history. Texts are the same on every engine; each stands behind its length, so that
no two rows share a text.
#}
{% macro content_sum(relation, rows) %}
    {%- set parts = [] -%}
    {%- for column in adapter.get_columns_in_relation(relation) | sort(attribute='name') -%}
        {%- set text -%}
            {%- if column.dtype | lower in ('double', 'float') -%}{{ double_text(column.quoted) }}
            {%- else -%}cast({{ column.quoted }} as string){%- endif -%}
        {%- endset -%}
        {%- do parts.append("coalesce(cast(length(" ~ text ~ ") as string) || ':' || " ~ text ~ ", '-')") -%}
    {%- endfor -%}
    (select coalesce(sum(cast({{ text_hash('concat(' ~ parts | join(', ') ~ ')') }} as decimal(38, 0))), 0) from {{ rows }})
{%- endmacro %}
