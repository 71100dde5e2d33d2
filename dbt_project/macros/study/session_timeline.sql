{#
The events of whole sessions in time order, each with what the session's end and its active time are told by. `events` names a CTE; of its
columns those come along that say who did what, and when: what a window carries it has to sort.

  position         1 for the first event of the session; ties in time are broken by the event id
  next_at          when the next event of the session happened
  is_late_end      a session_end more than `inactivity_minutes` after the event before it: nobody was there any more
  explicit_end_at  when the session ended by its last session_end; null where a learning event follows it, or where it came late
  is_active_gap    the time from this event to the next one was active: not longer than `inactivity_minutes`, before the explicit
                   end, not after a session_end, and not inside a pause (which ends with the next resume, start, end or learning event)
#}
{% macro session_timeline(events) %}
    {%- if var('inactivity_minutes') | float > 1440 -%}
        {{ exceptions.raise_compiler_error('The var inactivity_minutes is ' ~ var('inactivity_minutes') ~ '; a gap of more than a day (1440) ends a session.') }}
    {%- endif -%}
    with placed as (
        select
            session_id,
            is_derived,
            user_id,
            event_type,
            event_ts,
            event_date,
            is_learning_event,
            row_number() over in_time as position,
            lead(event_ts) over in_time as next_at,
            event_type = 'session_end'
            and event_ts > {{ minutes_after('lag(event_ts) over in_time', var('inactivity_minutes')) }} is true as is_late_end,
            coalesce({{ last_known(
                "case
                    when event_type = 'session_pause' then true
                    when event_type in ('session_start', 'session_resume', 'session_end') or is_learning_event then false
                end"
            ) }} over (
                partition by session_id order by event_ts, event_id rows between unbounded preceding and current row
            ), false) as is_paused
        from {{ events }}
        window in_time as (partition by session_id order by event_ts, event_id)
    ),

    last_ends as (
        select
            session_id,
            max_by(event_ts, case when event_type = 'session_end' then position end) as last_end_at,
            max_by(is_late_end, case when event_type = 'session_end' then position end) as is_last_end_late,
            max(case when is_learning_event then event_ts end) as last_learning_at
        from placed
        group by session_id
    ),

    ends as (
        select
            session_id,
            case
                when not is_last_end_late and (last_learning_at is null or last_learning_at <= last_end_at) then last_end_at
            end as explicit_end_at
        from last_ends
    )

    select
        placed.*,
        ends.explicit_end_at,
        placed.next_at is not null
        and placed.next_at <= {{ minutes_after('placed.event_ts', var('inactivity_minutes')) }}
        and placed.event_type != 'session_end'
        and not placed.is_paused
        and (ends.explicit_end_at is null or placed.event_ts < ends.explicit_end_at) as is_active_gap
    from placed
    inner join ends on placed.session_id = ends.session_id
{% endmacro %}
