{#
As the adapter makes a view, but that a view of the marts names the tables beside it without their database: that is the name of the file for
whoever reads it, and the published copy may be attached under any name.
#}
{% macro duckdb__create_view_as(relation, sql) %}
    {%- if config.get('contract').enforced -%}{{ get_assert_columns_equivalent(sql) }}{%- endif %}
    create view {{ relation }} as (
        {{ sql | replace('"' ~ relation.database ~ '"."' ~ relation.schema ~ '".', '"' ~ relation.schema ~ '".') }}
    )
{% endmacro %}
