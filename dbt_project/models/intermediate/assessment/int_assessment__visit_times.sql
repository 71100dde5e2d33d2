{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id', 'week_start'],
        'follows': {'question_visits': 'select question_id, ' ~ week_of('date') ~ ' as week_start from changes'},
        'date': 'week_start',
        'log': ['question_id'],
    }},
) }}

with visits as (
    select
        question_id,
        {{ week_of('viewed_at') }} as week_start,
        {{ whole_seconds_capped('visible_seconds') }} as visible_seconds
    from {{ touched_rows(
        ref('question_visits'), columns={'week_start': week_of('read.viewed_at')}, time='viewed_at', days=range(7)
    ) }}
)

select
    question_id,
    week_start,
    visible_seconds,
    count(*) as visits
from visits
group by question_id, week_start, visible_seconds
order by week_start
