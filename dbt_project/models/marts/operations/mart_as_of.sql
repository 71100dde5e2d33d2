{{ config(materialized='table') }}

select as_of
from {{ ref('int_as_of') }}
