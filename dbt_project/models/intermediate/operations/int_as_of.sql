{{ config(materialized='table', group='lake') }}

with newest as (
    select {{ start_of(days_after('max(extract_date)', 1)) }} as end_of_newest_load
    from {{ ref('stg_operations__loads') }}
)

select
    {{ "cast('" ~ var('as_of') ~ "' as timestamp)" if var('as_of') is not none else 'end_of_newest_load' }} as as_of
from newest
