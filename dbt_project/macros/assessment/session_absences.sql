{#
When learners were away from the window of a test session: one row an absence. `placed` names a CTE with the events of whole sessions and
their `place` in order of (event_ts, seq, event_id).

An absence begins with the first blur after a focus (or ever), and ends at the next focus; where none follows, at the session's submission
or expiry, without one at its last event. It can have no length. A second blur before a focus begins none.
#}
{% macro session_absences(placed) %}
    with ends as (
        select
            session_id,
            min(case when event_type in ('SESSION_SUBMITTED', 'SESSION_EXPIRED') then event_ts end) as over_at,
            max(event_ts) as last_event_at
        from {{ placed }}
        group by session_id
    ),

    blurs as (
        select
            session_id,
            event_ts,
            state,
            {{ count_where("state = 'focus'") }} over (
                partition by session_id order by place rows between unbounded preceding and current row
            ) as focuses_so_far
        from {{ placed }}
        where event_type = 'PAUSE_BLUR'
    ),

    runs as (
        select
            session_id,
            min(case when state = 'blur' then event_ts end) as left_at,
            lead(min(event_ts)) over (partition by session_id order by focuses_so_far) as back_at
        from blurs
        group by session_id, focuses_so_far
    )

    select
        runs.session_id,
        runs.left_at,
        greatest(runs.left_at, coalesce(runs.back_at, ends.over_at, ends.last_event_at)) as back_at
    from runs
    inner join ends on runs.session_id = ends.session_id
    where runs.left_at is not null
{% endmacro %}
