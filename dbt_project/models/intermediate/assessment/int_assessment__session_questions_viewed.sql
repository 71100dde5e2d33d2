{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {'base_assessment__judged_events': "select session_id, event_date from changes where verdict = 'accepted'"},
        'date': 'event_date',
        'dates_in': {'base_assessment__judged_events': ['session_id']},
        'log': ['question_id', 'date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_assessment__events'), date='event_date') }}
),

-- The session is over at its first submission or expiry.
overs as (
    select
        session_id,
        event_type = 'SESSION_SUBMITTED' as is_submitted
    from (
        select
            *,
            row_number() over (partition by session_id order by event_ts asc, seq asc nulls last, event_id asc) as place
        from events
        where event_type in ('SESSION_SUBMITTED', 'SESSION_EXPIRED')
    ) as overs_in_order
    where place = 1
),

by_question as (
    select
        session_id,
        question_id,
        cast(min(case when event_type = 'QUESTION_VIEWED' then event_ts end) as date) as date,
        {{ count_where("event_type in ('ANSWER_SELECTED', 'ANSWER_CHANGED')") }} as answers,
        {{ count_where("event_type = 'ANSWER_CHANGED'") }} as changes,
        {{ count_where("event_type = 'MARK_FOR_REVIEW_TOGGLED'") }} as toggles
    from events
    where question_id is not null
    group by session_id, question_id
)

select
    by_question.session_id,
    by_question.question_id,
    by_question.date,
    by_question.answers > 0 as is_answered,
    by_question.changes > 0 as is_changed,
    by_question.toggles % 2 = 1 as is_marked,
    coalesce(overs.is_submitted, false) as is_submitted
from by_question
left join overs on by_question.session_id = overs.session_id
where by_question.date is not null
order by by_question.date
