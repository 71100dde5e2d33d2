{# Spark's spelling of what engines spell differently. #}

{% macro spark__microseconds_between(first, second) %}timestampdiff(microsecond, {{ first }}, {{ second }}){% endmacro %}

{% macro spark__minutes_after(timestamp, minutes) %}cast(timestampadd(minute, {{ minutes }}, {{ timestamp }}) as timestamp){% endmacro %}

{% macro spark__integer_divide(dividend, divisor) %}(({{ dividend }}) div ({{ divisor }})){% endmacro %}

{% macro spark__days_after(date, days) %}date_add({{ date }}, {{ days }}){% endmacro %}

{% macro spark__continuous_percentile(number, fraction) %}percentile({{ number }}, {{ fraction }}){% endmacro %}

{% macro spark__element_of(list) %}explode({{ list }}){% endmacro %}

{% macro spark__text_hash(text, digits) %}cast(conv(substr(md5({{ text }}), 1, {{ digits }}), 16, 10) as bigint){% endmacro %}

{% macro spark__last_known(value) %}last_value({{ value }}, true){% endmacro %}

{# Null would become the text `null`. #}
{% macro spark__double_text(number) %}case when {{ number }} is not null then format_string('%.14e', {{ number }}) end{% endmacro %}

{# A list's type is `array<...>` here; models declare it as `...[]`. #}
{% macro spark__cast(field, type) -%}
    cast({{ field }} as {{ 'array<' ~ type[:-2] ~ '>' if type.endswith('[]') else type }})
{%- endmacro %}

{# The bytes of the files that hold the table now. #}
{% macro spark__table_bytes(relation) -%}
    (
        select coalesce(sum(file_size), 0)
        from (select distinct _metadata.file_path as file_path, _metadata.file_size as file_size from {{ relation }}) as files
    )
{%- endmacro %}

{# Tables are on disk when their statement ends. #}
{% macro spark__settle_marts_on_disk() %}{% endmacro %}

{% macro spark__tables_beside(relation) %}
    {{ return(run_query('show tables in ' ~ relation.schema).columns['tableName'].values() | sort) }}
{% endmacro %}
