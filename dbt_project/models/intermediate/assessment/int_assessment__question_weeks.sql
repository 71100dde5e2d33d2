{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id', 'week_start'],
        'follows': {'int_assessment__session_questions_viewed': 'select question_id, ' ~ week_of('date') ~ ' as week_start from changes'},
        'date': 'week_start',
        'log': ['question_id'],
    }},
) }}

with viewed as (
    select
        *,
        {{ week_of('date') }} as week_start
    from {{ touched_rows(
        ref('int_assessment__session_questions_viewed'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)
    ) }}
)

select
    question_id,
    week_start,
    count(*) as sessions_viewed,
    {{ count_where('is_answered') }} as sessions_answered,
    {{ count_where('is_changed') }} as sessions_changed,
    {{ count_where('is_marked') }} as sessions_marked,
    {{ count_where('is_submitted') }} as sessions_submitted,
    {{ count_where('is_submitted and not is_answered') }} as sessions_skipped
from viewed
group by question_id, week_start
order by week_start
