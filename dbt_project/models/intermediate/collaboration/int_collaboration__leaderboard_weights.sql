{{ config(materialized='view') }}

select
    metric,
    measure,
    weight
from {{ ref('leaderboard_weights') }}
