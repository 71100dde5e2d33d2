{%- set is_sessionless = "copy_status = 'kept' and session_id is null and event_type not like 'streak%'" -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'event_date'],
        'follows': {'base_study__events': '
            select user_id, event_date from changes where ' ~ is_sessionless ~ '
            union
            select self.user_id, self.event_date
            from self
            inner join (select user_id, min(event_date) as first_date from changes where ' ~ is_sessionless ~ ' group by user_id) as touched
                on self.user_id = touched.user_id and self.event_date > touched.first_date
        '},
        'date': 'event_date',
        'log': ['event_id', 'event_type', 'session_id', 'user_id', 'material_id', 'event_date'],
    }},
) }}

with own as (
    select *
    from {{ touched_rows(ref('int_study__events'), date='event_date') }}
    where session_id is null and event_type not like 'streak!_%' escape '!'
),

-- A session can go on over midnight: in a night, the events of as many days as a gap can take before the first touched one.
earlier as (
    select *
    from {{
        earlier_rows(by=['user_id'], date='event_date', days=1) if is_keyed_run()
        else '(select * from own where false)'
    }} as before
),

events as (
    select
        {{ session_event_columns() | join(',\n        ') }},
        session_id as known_session_id
    from own

    union all

    select
        {{ session_event_columns() | join(',\n        ') }},
        session_id as known_session_id
    from earlier
),

gaps as (
    select
        *,
        lag(event_ts) over (partition by user_id order by event_ts, event_id) as previous_at
    from events
),

numbered as (
    select
        *,
        sum(case when event_ts <= {{ minutes_after('previous_at', var('inactivity_minutes')) }} then 0 else 1 end) over (
            partition by user_id order by event_ts, event_id rows between unbounded preceding and current row
        ) as session_number
    from gaps
),

named as (
    select
        {{ session_event_columns() | join(',\n        ') }},
        coalesce(first_value(known_session_id) over in_session, 'derived-' || first_value(event_id) over in_session) as session_id
    from numbered
    window in_session as (partition by user_id, session_number order by event_ts, event_id)
)

select *
from {{ touched_rows('named') }}
order by event_date
