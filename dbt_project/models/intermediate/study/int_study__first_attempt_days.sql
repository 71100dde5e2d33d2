{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'question_attempts': 'select user_id, date from changes'},
        'date': 'date',
        'log': ['user_id', 'date'],
    }},
) }}

with first_attempts as (
    select
        user_id,
        date,
        is_correct
    from {{ touched_rows(ref('question_attempts'), date='date') }}
    where is_first_attempt
)

select
    user_id,
    date,
    count(*) as first_attempts,
    {{ count_where('is_correct') }} as first_attempts_correct
from first_attempts
group by user_id, date
order by date
