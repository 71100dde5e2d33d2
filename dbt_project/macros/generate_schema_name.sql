{# Schemas are named as the project names them, on every target: `marts.study_sessions` works as typed. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}
