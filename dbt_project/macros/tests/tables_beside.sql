{# The names of all tables and views that lie in the schema of a relation, a model's or not. #}
{% macro tables_beside(relation) %}{{ return(adapter.dispatch('tables_beside')(relation)) }}{% endmacro %}
{% macro default__tables_beside(relation) %}
    {%- set found = run_query(
        "select table_name from information_schema.tables where table_catalog = '" ~ relation.database ~ "' and table_schema = '"
        ~ relation.schema ~ "' order by table_name"
    ) -%}
    {{ return(found.columns[0].values()) }}
{% endmacro %}
