{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['date'],
        'follows': {
            'base_study__events': "select event_date as date from changes where copy_status = 'kept' and event_type like 'ai%'",
            'int_study__hints': 'select event_date as date from changes',
        },
        'date': 'date',
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type like 'ai!_%' escape '!'
),

hints as (
    select *
    from {{ touched_rows(ref('int_study__hints'), columns={'date': 'read.event_date'}, date='event_date') }}
),

by_event as (
    select
        event_date as date,
        {{ count_where("event_type = 'ai_question_asked'") }} as questions,
        {{ count_where("event_type = 'ai_response_received'") }} as responses,
        {{ median_of("case when event_type = 'ai_response_received' then response_time_ms end") }} as median_response_time_ms,
        {{ percentile_of("case when event_type = 'ai_response_received' then response_time_ms end", 0.95) }} as p95_response_time_ms,
        {{ sum_of_integers("case when event_type = 'ai_response_received' then tokens_used end") }} as tokens_used,
        {{ count_where("event_type = 'ai_feedback_positive'") }} as positive_feedback,
        {{ count_where("event_type = 'ai_feedback_negative'") }} as negative_feedback
    from events
    group by event_date
),

by_hint as (
    select
        event_date as date,
        count(*) as hints_requested,
        {{ count_where('is_followed_by_correct_answer') }} as hints_followed
    from hints
    group by event_date
)

select
    by_event.date,
    by_event.questions,
    by_event.responses,
    by_event.median_response_time_ms,
    by_event.p95_response_time_ms,
    by_event.tokens_used,
    by_event.positive_feedback,
    by_event.negative_feedback,
    coalesce(by_hint.hints_requested, 0) as hints_requested,
    {{ ratio('by_hint.hints_followed', 'by_hint.hints_requested') }} as hint_then_correct_rate
from by_event
left join by_hint on by_event.date = by_hint.date
order by by_event.date
