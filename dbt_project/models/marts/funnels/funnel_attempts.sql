{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['funnel', 'entity'],
        'follows': {'int_funnels__events': 'select funnel, entity, event_date from changes'},
        'also': "select funnel, entity, cast(opened_at as date) as event_date from self where outcome = 'open'",
        'date': 'event_date',
        'dates_in': {'int_funnels__events': ['funnel', 'entity']},
        'log': ['funnel', 'entity', 'cast(opened_at as date) as date'],
        'as_of': true,
    }},
) }}

{%- set most_steps = 8 %}

{%- set events = touched_rows(ref('int_funnels__events'), date='event_date') %}

with as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

attempts as (
    select
        funnel,
        entity,
        cast(row_number() over (
            partition by funnel, entity order by event_ts asc, order_at_an_instant asc nulls last, event_id asc
        ) as bigint) as attempt,
        count(*) over (partition by funnel, entity) as attempts,
        event_id as opened_event_id,
        event_ts as opened_at,
        steps,
        window_hours
    from {{ events }} as events
    where step = 1
),

scoped as (
    {{ funnel_scopes(events ~ ' as events') }}
),

-- What lies in the scope of an attempt; the earliest exclusion ends it.
scopes as (
    select
        funnel,
        entity,
        attempt,
        min(case when role = 'exclusion' then event_ts end) as ended_at,
        {{ count_where('is_collapsed') }} as collapsed_events
    from scoped
    where is_in_scope
    group by funnel, entity, attempt
),

countable as (
    select
        scoped.funnel,
        scoped.entity,
        scoped.attempt,
        scoped.step,
        scoped.event_ts
    from scoped
    inner join scopes on scoped.funnel = scopes.funnel and scoped.entity = scopes.entity and scoped.attempt = scopes.attempt
    where
        scoped.is_in_scope
        and scoped.step > 1
        and (scopes.ended_at is null or scoped.event_ts <= scopes.ended_at)
),

-- A step is reached at the earliest event of its type that is not earlier than the step before it was reached; the first one by its own event.
step_1 as (
    select
        funnel,
        entity,
        attempt,
        opened_at as reached_at
    from attempts
),
{%- for step in range(2, most_steps + 1) %}

step_{{ step }} as (
    select
        countable.funnel,
        countable.entity,
        countable.attempt,
        min(countable.event_ts) as reached_at
    from countable
    inner join step_{{ step - 1 }} as previous
        on
            countable.funnel = previous.funnel
            and countable.entity = previous.entity
            and countable.attempt = previous.attempt
            and countable.event_ts >= previous.reached_at
    where countable.step = {{ step }}
    group by countable.funnel, countable.entity, countable.attempt
),
{%- endfor %}

reached as (
    select
        attempts.funnel,
        attempts.entity,
        attempts.attempt,
        attempts.opened_event_id,
        attempts.opened_at,
        attempts.steps,
        attempts.attempt < attempts.attempts as is_followed,
        {{ minutes_after('attempts.opened_at', '60 * attempts.window_hours') }} as closes_at,
        attempts.opened_at as step_1_at,
        {%- for step in range(2, most_steps + 1) %}
        step_{{ step }}.reached_at as step_{{ step }}_at,
        {%- endfor %}
        case
            {%- for step in range(most_steps, 1, -1) %}
            when step_{{ step }}.reached_at is not null then {{ step }}
            {%- endfor %}
            else 1
        end as steps_reached,
        coalesce(
            {%- for step in range(most_steps, 1, -1) %}
            step_{{ step }}.reached_at,
            {%- endfor %}
            attempts.opened_at
        ) as last_step_at,
        scopes.ended_at,
        coalesce(scopes.collapsed_events, 0) as collapsed_events
    from attempts
    left join scopes on attempts.funnel = scopes.funnel and attempts.entity = scopes.entity and attempts.attempt = scopes.attempt
    {%- for step in range(2, most_steps + 1) %}
    left join step_{{ step }}
        on
            attempts.funnel = step_{{ step }}.funnel
            and attempts.entity = step_{{ step }}.entity
            and attempts.attempt = step_{{ step }}.attempt
    {%- endfor %}
)

select
    reached.funnel,
    reached.entity,
    reached.attempt,
    reached.opened_event_id,
    reached.opened_at,
    {%- for step in range(1, most_steps + 1) %}
    reached.step_{{ step }}_at,
    {%- endfor %}
    cast(reached.steps_reached as bigint) as steps_reached,
    case
        when reached.steps_reached = reached.steps then 'completed'
        when reached.ended_at is not null then 'abandoned'
        when reached.is_followed or as_of.as_of > reached.closes_at then 'dropped'
        else 'open'
    end as outcome,
    case
        when reached.steps_reached = reached.steps then {{ seconds(microseconds_between('reached.opened_at', 'reached.last_step_at')) }}
    end as seconds_to_complete,
    reached.collapsed_events
from reached
cross join as_of
order by reached.opened_at
