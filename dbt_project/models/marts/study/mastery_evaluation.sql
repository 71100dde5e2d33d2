{{ config(materialized='table') }}

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
    round(auc, 9) as auc,
    round(log_loss, 9) as log_loss,
    round(ece, 9) as ece,
    fitted_on,
    fitted_attempts
from {{ ref('int_study__mastery_evaluation') }}
order by model_version, split, method
