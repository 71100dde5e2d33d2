{{ config(materialized='view') }}

with champion as (
    select model_version
    from {{ ref('stg_mastery__champion') }}
)

select
    difficulties.level,
    difficulties.id,
    difficulties.difficulty,
    difficulties.expected_millionths,
    difficulties.information_millionths
from {{ ref('stg_mastery__difficulties') }} as difficulties
inner join champion on difficulties.model_version = champion.model_version
