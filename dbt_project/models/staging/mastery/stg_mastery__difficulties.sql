select
    model_version,
    level,
    id,
    difficulty,
    expected_millionths,
    information_millionths
from {{ source('lake', 'mastery_difficulties') }}
