{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['funnel', 'date'],
        'follows': {
            'funnel_attempts': 'select funnel, date from changes',
            'int_funnels__event_days': 'select funnel, date from changes',
        },
        'date': 'date',
    }},
) }}

{%- set most_steps = 8 %}

with attempts as (
    select *
    from {{ touched_rows(ref('funnel_attempts'), date='date') }}
),

event_days as (
    select *
    from {{ touched_rows(ref('int_funnels__event_days'), date='date') }}
),

declared as (
    select *
    from {{ ref('int_funnels__declared') }}
    where role = 'step'
),

-- One row an attempt and step that it reached.
reached as (
    {%- for step in range(1, most_steps + 1) %}
    select
        funnel,
        date,
        entity,
        {{ step }} as step,
        {{ microseconds_between('step_' ~ (step - 1) ~ '_at', 'step_' ~ step ~ '_at') if step > 1 else 'null' }}
            as microseconds_from_previous
    from attempts
    where step_{{ step }}_at is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

by_attempt as (
    select
        funnel,
        date,
        step,
        count(*) as attempts,
        count(distinct entity) as entities,
        {{ median_of(seconds('microseconds_from_previous')) }} as median_seconds_from_previous
    from reached
    group by funnel, date, step
),

by_event as (
    select
        funnel,
        date,
        step,
        {{ sum_of_integers('events') }} as events,
        {{ sum_of_integers('unattributed_events') }} as unattributed_events
    from event_days
    group by funnel, date, step
),

days as (
    select distinct
        funnel,
        date
    from attempts
),

counted as (
    select
        days.funnel,
        days.date,
        declared.step,
        declared.event_type,
        coalesce(by_event.events, 0) as events,
        coalesce(by_attempt.attempts, 0) as attempts,
        coalesce(by_attempt.entities, 0) as entities,
        by_attempt.median_seconds_from_previous,
        coalesce(by_event.unattributed_events, 0) as unattributed_events
    from days
    inner join declared on days.funnel = declared.funnel
    left join by_attempt on days.funnel = by_attempt.funnel and days.date = by_attempt.date and declared.step = by_attempt.step
    left join by_event on days.funnel = by_event.funnel and days.date = by_event.date and declared.step = by_event.step
),

compared as (
    select
        *,
        lag(attempts) over path as previous_attempts,
        first_value(attempts) over path as first_attempts,
        first_value(entities) over path as first_entities
    from counted
    window path as (partition by funnel, date order by step)
)

select
    funnel,
    date,
    step,
    event_type,
    events,
    attempts,
    entities,
    {{ ratio('attempts', 'previous_attempts') }} as conversion_from_previous,
    {{ ratio('attempts', 'first_attempts') }} as conversion_from_first,
    {{ ratio('entities', 'first_entities') }} as entity_conversion_from_first,
    median_seconds_from_previous,
    unattributed_events
from compared
order by date
