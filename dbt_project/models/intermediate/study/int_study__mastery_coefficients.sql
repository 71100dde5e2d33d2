{{ config(materialized='view') }}

with champion as (
    select model_version
    from {{ ref('stg_mastery__champion') }}
)

select
    coefficients.model_version,
    coefficients.feature,
    coefficients.coefficient
from {{ ref('stg_mastery__coefficients') }} as coefficients
inner join champion on coefficients.model_version = champion.model_version
