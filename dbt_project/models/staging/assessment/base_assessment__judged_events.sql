{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_assessment__events': "select session_id, event_date from changes where copy_status = 'kept'",
            'base_assessment__test_sessions': 'select session_id, null as event_date from changes',
            'base_assessment__session_questions': 'select session_id, null as event_date from changes',
        },
        'date': 'event_date',
        'log': ['event_id', 'session_id', 'event_date', 'source', 'stream', 'extract_date', 'verdict'],
    }},
) }}

{#- The copy of an event that stays is judged by all reference rows now loaded: held, then released when they arrive. #}

with events as (
    select *
    from {{ touched_rows(ref('base_assessment__events'), date='event_date') }}
    where copy_status = 'kept'
),

test_sessions as (
    select
        session_id,
        user_id
    from {{ touched_rows(ref('base_assessment__test_sessions')) }}
    where copy_status = 'kept'
),

session_questions as (
    select
        session_id,
        question_id
    from {{ touched_rows(ref('base_assessment__session_questions')) }}
    where copy_status = 'kept'
)

select
    events.event_id,
    events.event_type,
    events.event_ts,
    events.event_date,
    events.client_ts,
    events.received_at,
    events.seq,
    events.session_id,
    events.user_id,
    events.question_id,
    events.source,
    events.state,
    events.stream,
    events.extract_date,
    events.source_file,
    events.source_line,
    events.batch_index,
    case
        when test_sessions.session_id is null then 'unknown_session'
        when test_sessions.user_id != events.user_id then 'session_not_owned'
        when events.question_id is not null and session_questions.question_id is null then 'question_not_in_session'
        else 'accepted'
    end as verdict
from events
left join test_sessions on events.session_id = test_sessions.session_id
left join session_questions on events.session_id = session_questions.session_id and events.question_id = session_questions.question_id
order by events.event_date
