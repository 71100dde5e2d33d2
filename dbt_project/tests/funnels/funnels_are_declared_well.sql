with declared as (
    select *
    from {{ ref('funnels') }}
),

steps as (
    select
        funnel,
        count(*) as steps,
        count(distinct step) as distinct_steps,
        min(step) as first_step,
        max(step) as last_step
    from declared
    where role = 'step'
    group by funnel
),

funnels as (
    select
        funnel,
        count(distinct system) as systems,
        count(distinct window_hours) as windows,
        count(distinct entity) as entities
    from declared
    group by funnel
)

select
    funnels.funnel,
    case
        when steps.funnel is null then 'has no step'
        when steps.first_step is null or steps.first_step != 1 or steps.last_step != steps.steps or steps.distinct_steps != steps.steps
            then 'steps are not numbered 1, 2, ...'
        when steps.last_step > 8 then 'has more than 8 steps'
        when funnels.systems > 1 then 'names more than one system'
        when funnels.windows > 1 then 'names more than one window'
        when funnels.entities > 1 then 'names more than one entity'
    end as fault
from funnels
left join steps on funnels.funnel = steps.funnel
where
    steps.funnel is null
    or steps.first_step is null
    or steps.first_step != 1
    or steps.last_step != steps.steps
    or steps.distinct_steps != steps.steps
    or steps.last_step > 8
    or funnels.systems > 1
    or funnels.windows > 1
    or funnels.entities > 1

union all

select
    funnel,
    'names the event type ' || event_type || ' twice' as fault
from declared
group by funnel, event_type
having count(*) > 1

union all

-- `recommendation_funnel` reads the recommendation from the second part of the entity.
select
    funnel,
    'must have the entity child_id+recommendation_id and the steps tap, start, complete' as fault
from declared
where
    funnel = 'recommendation'
    and not (
        entity = 'child_id+recommendation_id'
        and (
            role = 'exclusion'
            or (step = 1 and event_type = 'tap')
            or (step = 2 and event_type = 'start')
            or (step = 3 and event_type = 'complete')
        )
    )
