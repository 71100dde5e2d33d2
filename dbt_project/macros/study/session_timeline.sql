{#
The events of whole sessions in time order, each with what the session's end and its active time are told by. `events` names a CTE.

  position         1 for the first event of the session; ties in time are broken by the event id
  next_at          when the next event of the session happened
  is_late_end      a session_end more than `inactivity_minutes` after the event before it: nobody was there any more
  explicit_end_at  when the session ended by its last session_end; null where a learning event follows it, or where it came late
  is_active_gap    the time from this event to the next one was active: not longer than `inactivity_minutes`, before the explicit
                   end, not after a session_end, and not inside a pause (which ends with the next resume, start, end or learning event)
#}
{% macro session_timeline(events) %}
    with placed as (
        select
            *,
            row_number() over in_time as position,
            lag(event_ts) over in_time as previous_at,
            lead(event_ts) over in_time as next_at
        from {{ events }}
        window in_time as (partition by session_id order by event_ts, event_id)
    ),

    marked as (
        select
            *,
            event_type = 'session_end' and event_ts > {{ minutes_after('previous_at', var('inactivity_minutes')) }} is true as is_late_end,
            max(case when event_type = 'session_end' then position end) over whole as last_end_position,
            max(case when is_learning_event then event_ts end) over whole as last_learning_at,
            max(case when event_type = 'session_pause' then position end) over so_far as last_pause_position,
            max(
                case when event_type in ('session_start', 'session_resume', 'session_end') or is_learning_event then position end
            ) over so_far as last_presence_position
        from placed
        window
            whole as (partition by session_id),
            so_far as (partition by session_id order by position rows between unbounded preceding and current row)
    ),

    ended as (
        select
            *,
            max(
                case
                    when position = last_end_position and not is_late_end and (last_learning_at is null or last_learning_at <= event_ts)
                        then event_ts
                end
            ) over (partition by session_id) as explicit_end_at
        from marked
    )

    select
        *,
        next_at is not null
        and next_at <= {{ minutes_after('event_ts', var('inactivity_minutes')) }}
        and event_type != 'session_end'
        and coalesce(last_pause_position, 0) <= coalesce(last_presence_position, 0)
        and (explicit_end_at is null or event_ts < explicit_end_at) as is_active_gap
    from ended
{% endmacro %}
