select
    model_version,
    feature,
    coefficient
from {{ source('lake', 'mastery_coefficients') }}
