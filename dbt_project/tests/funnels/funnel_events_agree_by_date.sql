{{ config(meta={
    'dagster': {'ref': {'name': 'funnel_daily'}},
    'keyed': keyed_by(['funnel', 'date'], ['funnel_daily', 'int_funnels__event_days', 'funnel_attempts']),
}) }}

{#- Days without an attempt have no row, so what is unattributed is left out: events in scopes and attempts are compared. #}

with funnel_daily as (
    select
        funnel,
        date,
        step,
        events,
        attempts
    from {{ touched_rows(ref('funnel_daily'), date='date') }}
),

event_days as (
    select
        funnel,
        date,
        step,
        sum(events) as events
    from {{ touched_rows(ref('int_funnels__event_days'), date='date') }}
    group by funnel, date, step
),

funnel_attempts as (
    select
        funnel,
        date,
        1 as step,
        count(*) as attempts
    from {{ touched_rows(ref('funnel_attempts'), date='date') }}
    group by funnel, date
),

counted as (
    select
        coalesce(event_days.funnel, funnel_attempts.funnel) as funnel,
        coalesce(event_days.date, funnel_attempts.date) as date,
        coalesce(event_days.step, funnel_attempts.step) as step,
        coalesce(event_days.events, 0) as events,
        funnel_attempts.attempts
    from event_days
    full outer join funnel_attempts
        on
            event_days.funnel = funnel_attempts.funnel
            and event_days.date = funnel_attempts.date
            and event_days.step = funnel_attempts.step
)

select
    counted.funnel,
    counted.date,
    counted.step,
    counted.events as counted__events,
    funnel_daily.events as funnel_daily__events,
    counted.attempts as counted__attempts,
    funnel_daily.attempts as funnel_daily__attempts
from counted
left join funnel_daily on counted.funnel = funnel_daily.funnel and counted.date = funnel_daily.date and counted.step = funnel_daily.step
where
    (counted.events > 0 or counted.attempts is not null)
    and (
        funnel_daily.funnel is null
        or funnel_daily.events != counted.events
        or (counted.step = 1 and funnel_daily.attempts != counted.attempts)
    )
