{#
Copies of one row, over all dates and files: the one that is first by (extract date, file name, line, index in the batch) is kept;
each other one is compared with it and is a duplicate or a conflict.
#}
{% macro copy_number(identity) -%}
    cast(row_number() over (partition by {{ identity }} order by {{ _order_of_copies() }}) as bigint)
{%- endmacro %}

{% macro copy_status(identity) -%}
    case
        when {{ copy_number(identity) }} = 1 then 'kept'
        when content_hash = first_value(content_hash) over (partition by {{ identity }} order by {{ _order_of_copies() }}) then 'duplicate'
        else 'conflict'
    end
{%- endmacro %}

{% macro _order_of_copies() %}extract_date, source_file, source_line, batch_index{% endmacro %}
