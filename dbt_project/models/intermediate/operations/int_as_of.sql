{{ config(materialized='table') }}

{%- set end_of_newest_load = start_of(days_after('max(extract_date)', 1)) %}

select
    {% if var('as_of') is not none -%}
    coalesce(cast('{{ var("as_of") }}' as timestamp), {{ end_of_newest_load }}) as as_of
    {%- else -%}
    {{ end_of_newest_load }} as as_of
    {%- endif %}
from {{ ref('stg_operations__loads') }}
