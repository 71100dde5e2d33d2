{# What mart_catalog says of one mart. A view has its rows alone: it takes no room, and what it says follows from the tables that it reads. #}
{% macro mart_facts(mart) %}
    {%- set node = keyed_node(mart.identifier) if execute else {'config': {'meta': {}, 'materialized': 'table'}} -%}
    {%- set date = node['config']['meta'].get('date_column') -%}
    {%- set is_view = node['config']['materialized'] == 'view' -%}
    select
        '{{ mart.identifier }}' as mart,
        build.row_count,
        {{ 'null' if is_view else table_bytes(mart) }} as bytes,
        {{ _date_bound('min', date, mart) }} as first_date,
        {{ _date_bound('max', date, mart) }} as last_date,
        build.built_at,
        md5(cast(build.row_count as string) || ':' || cast(build.content_sum as string)) as content_hash
    from (
        {%- if is_view -%}select count(*) as row_count, null as content_sum, {{ built_now() }} as built_at from {{ mart }}
        {%- elif node['config']['materialized'] == 'keyed' -%}{{ keyed_last_build(mart.identifier) }}
        {%- else -%}{{ counted_build(mart) }}{%- endif -%}
    ) as build
{%- endmacro %}

{# Rows and content sum of a table by a scan of it; of a keyed model the books have them. #}
{% macro counted_build(relation) -%}
    select
        count(*) as row_count,
        {{ content_sum(keyed_node(relation.identifier), relation) if execute else 'null' }} as content_sum,
        {{ built_now() }} as built_at
    from {{ relation }}
{%- endmacro %}

{% macro _date_bound(bound, date, mart) -%}
    {%- if date -%}(select cast({{ bound }}({{ date }}) as date) from {{ mart }}){%- else -%}cast(null as date){%- endif -%}
{%- endmacro %}

{# When this run began, as a UTC timestamp: the build time that the books and the catalog note. #}
{% macro built_now() %}{{ return(adapter.dispatch('built_now')()) }}{% endmacro %}
{% macro default__built_now() -%}
    cast('{{ run_started_at.astimezone(modules.pytz.utc).strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}

{# The bytes that a table takes on disk. #}
{% macro table_bytes(relation) %}{{ return(adapter.dispatch('table_bytes')(relation)) }}{% endmacro %}
{% macro default__table_bytes(relation) -%}
    (
        select 262144 * count(distinct block_id)
        from pragma_storage_info('{{ relation.database }}.{{ relation.schema }}.{{ relation.identifier }}')
        where block_id >= 0
    )
{%- endmacro %}

{# Writes what is still in the write-ahead log to the file, so that bytes can be told. #}
{% macro settle_marts_on_disk() %}{{ return(adapter.dispatch('settle_marts_on_disk')()) }}{% endmacro %}
{% macro default__settle_marts_on_disk() %}checkpoint {{ marts_database() }}{% endmacro %}
