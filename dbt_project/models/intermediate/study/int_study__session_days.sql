{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_study__events': "select session_id, event_date from changes where copy_status = 'kept' and event_type not like 'streak%'",
            'int_study__derived_sessions': 'select session_id, event_date from changes',
        },
        'date': 'event_date',
        'log': ['session_id', 'user_id', 'event_date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
),

timeline as (
    {{ session_timeline('events') }}
),

session_users as (
    select
        session_id,
        user_id
    from timeline
    where position = 1
),

-- An active gap gives each of the days it lies on its own part. It is no longer than a day, so those are one or two.
parts as (
    select
        session_id,
        event_date,
        case
            when is_active_gap then {{ microseconds_between('event_ts', 'least(next_at, ' ~ start_of(days_after('event_date', 1)) ~ ')') }}
            else 0
        end as active_microseconds
    from timeline

    union all

    select
        session_id,
        cast(next_at as date) as event_date,
        {{ microseconds_between(start_of('cast(next_at as date)'), 'next_at') }} as active_microseconds
    from timeline
    where is_active_gap and cast(next_at as date) > event_date
)

select
    parts.session_id,
    session_users.user_id,
    parts.event_date,
    cast(sum(parts.active_microseconds) as bigint) as active_microseconds
from parts
inner join session_users on parts.session_id = session_users.session_id
group by parts.session_id, session_users.user_id, parts.event_date
order by event_date
