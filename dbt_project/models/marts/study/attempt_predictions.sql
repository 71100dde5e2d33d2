{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'int_study__mastery_states': 'select user_id, date from changes'},
        'date': 'date',
    }},
) }}

with states as (
    select *
    from {{ touched_rows(ref('int_study__mastery_states'), date='date') }}
)

select
    attempt_id,
    user_id,
    topic_id,
    question_id,
    date,
    is_correct,
    predicted_correct,
    model_version,
    is_held_out
from states
order by date
