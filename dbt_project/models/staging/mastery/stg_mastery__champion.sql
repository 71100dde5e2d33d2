select model_version
from {{ source('lake', 'mastery_champion') }}
