{#-
A change touches the attempts in whose scopes it is or was, and all later ones of the entity, which are numbered on. So do attempts whose windows are not over
at as-of: whether another one follows decides their outcome, however far that one is.
-#}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['funnel', 'entity', 'date'],
        'follows': {'int_funnels__events': '
            select funnel, entity, event_date as date from changes
            union
            select self.funnel, self.entity, self.date
            from self
            inner join (
                select
                    funnel,
                    entity,
                    ' ~ days_after(
                        'least(min(event_date), (select cast(as_of as date) from as_of))', '-' ~ funnel_window_days('max(window_hours)')
                    ) ~ ' as first_date
                from changes
                group by funnel, entity
            ) as touched on self.funnel = touched.funnel and self.entity = touched.entity and self.date >= touched.first_date
        '},
        'also': "select self.funnel, self.entity, self.date from self cross join as_of where self.outcome = 'open' and self.closes_at < as_of.as_of",
        'date': 'date',
        'log': ['funnel', 'entity', 'date'],
        'as_of': true,
    }},
) }}

{%- set most_steps = 8 %}

{%- set events = later_rows(ref('int_funnels__events'), by=['funnel', 'entity'], date='event_date') %}

with as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

-- Numbered from the first touched day on.
attempts as (
    select
        funnel,
        entity,
        cast(row_number() over (
            partition by entity, funnel order by event_ts asc, order_at_an_instant asc nulls last, event_id asc
        ) as bigint) as attempt,
        count(*) over (partition by entity, funnel) as attempts,
        event_id as opened_event_id,
        event_ts as opened_at,
        steps,
        window_hours
    from {{ events }}
    where step = 1
),

-- How many were opened before that day; in a full build none.
earlier as (
    select
        funnel,
        entity,
        count(*) as attempts
    from {{ earlier_rows(by=['funnel', 'entity'], date='date') if is_keyed_run() else '(select * from attempts where false)' }} as opened
    group by funnel, entity
),

scoped as (
    {{ funnel_scopes(events) }}
),

-- What lies in the scope of an attempt; the earliest exclusion ends it. A step is reached at the earliest event of its type that is not
-- earlier than the step before it was reached: the first one by its own event, the second by any in scope,
scopes as (
    select
        funnel,
        entity,
        attempt,
        min(case when role = 'exclusion' then event_ts end) as ended_at,
        min(case when step = 2 then event_ts end) as second_at,
        {{ count_where('is_collapsed') }} as collapsed_events
    from scoped
    where is_in_scope
    group by funnel, entity, attempt
),

step_2 as (
    select
        funnel,
        entity,
        attempt,
        ended_at,
        second_at as reached_at
    from scopes
    where second_at <= ended_at or (second_at is not null and ended_at is null)
),

-- the others by what came behind.
later as (
    select
        funnel,
        entity,
        attempt,
        step,
        event_ts
    from scoped
    where is_in_scope and step > 2
),
{%- for step in range(3, most_steps + 1) %}

step_{{ step }} as (
    select
        later.funnel,
        later.entity,
        later.attempt,
        previous.ended_at,
        min(later.event_ts) as reached_at
    from later
    inner join step_{{ step - 1 }} as previous
        on
            later.funnel = previous.funnel
            and later.entity = previous.entity
            and later.attempt = previous.attempt
            and later.event_ts >= previous.reached_at
    where later.step = {{ step }} and (previous.ended_at is null or later.event_ts <= previous.ended_at)
    group by later.funnel, later.entity, later.attempt, previous.ended_at
),
{%- endfor %}

later_steps as (
    {%- for step in range(3, most_steps + 1) %}
    select
        funnel,
        entity,
        attempt,
        {{ step }} as step,
        reached_at
    from step_{{ step }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

paths as (
    select
        {%- for step in range(3, most_steps + 1) %}
        max(case when step = {{ step }} then reached_at end) as step_{{ step }}_at,
        {%- endfor %}
        funnel,
        entity,
        attempt
    from later_steps
    group by funnel, entity, attempt
),

timed as (
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
        case when scopes.ended_at is null or scopes.second_at <= scopes.ended_at then scopes.second_at end as step_2_at,
        {%- for step in range(3, most_steps + 1) %}
        paths.step_{{ step }}_at,
        {%- endfor %}
        scopes.ended_at,
        coalesce(scopes.collapsed_events, 0) as collapsed_events
    from attempts
    left join scopes on attempts.funnel = scopes.funnel and attempts.entity = scopes.entity and attempts.attempt = scopes.attempt
    left join paths on attempts.funnel = paths.funnel and attempts.entity = paths.entity and attempts.attempt = paths.attempt
),

reached as (
    select
        *,
        case
            {%- for step in range(most_steps, 1, -1) %}
            when step_{{ step }}_at is not null then {{ step }}
            {%- endfor %}
            else 1
        end as steps_reached,
        coalesce(
            {%- for step in range(most_steps, 0, -1) %}
            step_{{ step }}_at{{ ',' if not loop.last }}
            {%- endfor %}
        ) as last_step_at
    from timed
)

select
    reached.funnel,
    reached.entity,
    coalesce(earlier.attempts, 0) + reached.attempt as attempt,
    reached.opened_event_id,
    reached.opened_at,
    cast(reached.opened_at as date) as date,
    reached.closes_at,
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
left join earlier on reached.funnel = earlier.funnel and reached.entity = earlier.entity
order by reached.opened_at
