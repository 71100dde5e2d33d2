{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {'base_assessment__judged_events': "select session_id, event_date from changes where verdict = 'accepted'"},
        'date': 'event_date',
        'dates_in': {'base_assessment__judged_events': ['session_id']},
        'log': ['visit_id', 'question_id', 'cast(viewed_at as date) as date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_assessment__events'), date='event_date') }}
),

placed as (
    select
        *,
        row_number() over (partition by session_id order by event_ts asc, seq asc nulls last, event_id asc) as place
    from events
),

absences as (
    {{ session_absences('placed') }}
),

-- What ends a visit: the next view, the submission or the expiry; else the session's last event.
ends as (
    select
        session_id,
        place,
        event_id,
        event_type,
        user_id,
        question_id,
        event_ts,
        lead(event_ts) over (partition by session_id order by place) as ended_at,
        lead(place) over (partition by session_id order by place) as end_place
    from placed
    where event_type in ('QUESTION_VIEWED', 'SESSION_SUBMITTED', 'SESSION_EXPIRED')
),

lasts as (
    select
        session_id,
        max(event_ts) as last_event_at
    from placed
    group by session_id
),

visits as (
    select
        ends.event_id as visit_id,
        ends.session_id,
        ends.user_id,
        ends.question_id,
        ends.event_ts as viewed_at,
        ends.place,
        ends.end_place,
        coalesce(ends.ended_at, lasts.last_event_at) as ended_at
    from ends
    inner join lasts on ends.session_id = lasts.session_id
    where ends.event_type = 'QUESTION_VIEWED'
),

answers as (
    select
        visits.visit_id,
        {{ count_where("placed.event_type = 'ANSWER_CHANGED'") }} as changes
    from visits
    inner join placed
        on
            visits.session_id = placed.session_id
            and visits.question_id = placed.question_id
            and visits.place < placed.place
            and (visits.end_place is null or visits.end_place > placed.place)
    where placed.event_type in ('ANSWER_SELECTED', 'ANSWER_CHANGED')
    group by visits.visit_id
),

blurred as (
    select
        visits.visit_id,
        sum({{ microseconds_between(
            'greatest(visits.viewed_at, absences.left_at)', 'least(visits.ended_at, absences.back_at)'
        ) }}) as blur_microseconds
    from visits
    inner join absences
        on
            visits.session_id = absences.session_id
            and visits.viewed_at < absences.back_at
            and visits.ended_at > absences.left_at
    group by visits.visit_id
)

select
    visits.visit_id,
    visits.session_id,
    visits.user_id,
    visits.question_id,
    visits.viewed_at,
    visits.ended_at,
    {{ seconds(microseconds_between('visits.viewed_at', 'visits.ended_at') ~ ' - coalesce(blurred.blur_microseconds, 0)') }}
        as visible_seconds,
    answers.visit_id is not null as is_answered,
    coalesce(answers.changes, 0) > 0 as is_changed
from visits
left join answers on visits.visit_id = answers.visit_id
left join blurred on visits.visit_id = blurred.visit_id
order by visits.viewed_at
