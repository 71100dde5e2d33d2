{#- What a row can be wrong about, and a funnel as a whole, each with the words for it (a text in SQL). -#}
{%- set faults_of_rows = [
    ("coalesce(funnel, '') = ''", "'a row names no funnel'"),
    (
        "coalesce(role, '') not in ('step', 'exclusion')",
        "'has the role \"' || coalesce(role, '') || '\", which is neither step nor exclusion'",
    ),
    (
        "coalesce(system, '') not in ('" ~ funnel_columns() | join("', '") ~ "')",
        "'has the system \"' || coalesce(system, '') || '\", which is none of " ~ funnel_columns() | join(', ') ~ "'",
    ),
    ("coalesce(event_type, '') = ''", "'has a row without an event type'"),
    ("coalesce(entity, '') = ''", "'has a row without an entity'"),
    (
        'hours is null or hours < 1 or hours > 87600',
        "'has a window of \"' || coalesce(window_hours, '') || '\" hours: it must be a whole number from 1 to 87600'",
    ),
] -%}
{%- set faults_of_funnels = [
    ('steps = 0', 'has no step'),
    (
        'steps > 0 and (first_step is null or first_step != 1 or last_step != steps or distinct_steps != steps)',
        'steps are not numbered 1, 2, ...',
    ),
    ('last_step > 8', 'has more than 8 steps'),
    ('systems > 1', 'names more than one system'),
    ('windows > 1', 'names more than one window'),
    ('entities > 1', 'names more than one entity'),
] -%}

with declared as (
    select
        funnel,
        role,
        system,
        event_type,
        window_hours,
        entity,
        case when role = 'step' then {{ whole_number('step') }} end as step,
        {{ whole_number('window_hours') }} as hours
    from {{ ref('funnels') }}
),

funnels as (
    select
        funnel,
        {{ count_where("role = 'step'") }} as steps,
        count(distinct step) as distinct_steps,
        min(step) as first_step,
        max(step) as last_step,
        count(distinct system) as systems,
        count(distinct hours) as windows,
        count(distinct entity) as entities
    from declared
    group by funnel
)

{%- for condition, fault in faults_of_rows %}

select distinct
    funnel,
    {{ fault }} as fault
from declared
where {{ condition }}

union all
{%- endfor %}
{%- for condition, fault in faults_of_funnels %}

select
    funnel,
    '{{ fault }}' as fault
from funnels
where {{ condition }}

union all
{%- endfor %}

select
    funnel,
    'names the event type ' || event_type || ' twice' as fault
from declared
where event_type != ''
group by funnel, event_type
having count(*) > 1

union all

-- `recommendation_funnel` reads the recommendation from the second part of the entity.
select distinct
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
