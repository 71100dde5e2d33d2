{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id', 'week_start'],
        'follows': {'question_attempts': 'select question_id, ' ~ week_of('date') ~ ' as week_start from changes'},
        'date': 'week_start',
        'log': ['question_id'],
    }},
) }}

with attempts as (
    select
        question_id,
        {{ week_of('date') }} as week_start,
        {{ whole_seconds_capped('time_to_answer_seconds') }} as answer_seconds
    from {{ touched_rows(ref('question_attempts'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)) }}
    where time_to_answer_seconds is not null
)

select
    question_id,
    week_start,
    answer_seconds,
    count(*) as attempts
from attempts
group by question_id, week_start, answer_seconds
order by week_start
