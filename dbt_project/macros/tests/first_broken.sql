{# The first of the conditions that does not hold in a row; null where all do. #}
{% macro first_broken(conditions) -%}
    case
        {%- for condition in conditions %}
        when not ({{ condition }}) then '{{ dbt.escape_single_quotes(condition) }}'
        {%- endfor %}
    end
{%- endmacro %}
