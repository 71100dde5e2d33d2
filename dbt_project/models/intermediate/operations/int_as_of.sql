{{ config(materialized='table') }}

select
        {% if var('as_of') is not none -%}
    cast('{{ var("as_of") }}' as timestamp) as as_of
    {%- else -%}
    {{ start_of(days_after('max(extract_date)', 1)) }} as as_of
    {%- endif %}
from {{ ref('stg_operations__loads') }}
