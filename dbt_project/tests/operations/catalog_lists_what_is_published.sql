{{ config(meta={'dagster': {'ref': {'name': 'mart_catalog'}}}) }}

{#- All tables that lie in the schema, a model's or not: what lies there is published. -#}
{%- set catalog = ref('mart_catalog') -%}
{%- set published = tables_beside(catalog) if execute else [catalog.identifier] %}

with published as (
    {%- for name in published %}
    select
        '{{ name }}' as mart,
        count(*) as row_count
    from {{ catalog.incorporate(path={'identifier': name}) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

mart_catalog as (
    select
        mart,
        rows as row_count
    from {{ catalog }}
)

select
    coalesce(published.mart, mart_catalog.mart) as mart,
    published.row_count as published__rows,
    mart_catalog.row_count as mart_catalog__rows
from published
full outer join mart_catalog on published.mart = mart_catalog.mart
where published.row_count is null or mart_catalog.row_count is null or published.row_count != mart_catalog.row_count
