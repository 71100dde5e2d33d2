{{ config(materialized='table', group='lake') }}

select as_of
from {{ ref('int_as_of') }}
