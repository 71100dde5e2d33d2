select
    model_version,
    split,
    method,
    is_champion,
    evaluated_on,
    first_attempt_on,
    last_attempt_on,
    learners,
    attempts,
    auc,
    log_loss,
    ece,
    fitted_on,
    fitted_attempts
from {{ source('lake', 'mastery_evaluation') }}
