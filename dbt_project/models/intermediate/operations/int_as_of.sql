{{ config(materialized='table', group='lake') }}

with newest as (
    select {{ start_of(days_after('max(extract_date)', 1)) }} as end_of_newest_load
    from {{ ref('stg_operations__loads') }}
)

select
    {{ as_of_set() or 'end_of_newest_load' }} as as_of
from newest
