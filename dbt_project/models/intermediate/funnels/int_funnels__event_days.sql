{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['funnel', 'entity'],
        'follows': {'int_funnels__events': 'select funnel, entity from changes'},
        'log': ['funnel', 'date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_funnels__events')) }}
),

scoped as (
    {{ funnel_scopes('events') }}
)

select
    funnel,
    entity,
    cast(case when is_in_scope then opened_at else event_ts end as date) as date,
    step,
    {{ count_where('is_in_scope') }} as events,
    {{ count_where('not is_in_scope') }} as unattributed_events
from scoped
where role = 'step'
group by funnel, entity, cast(case when is_in_scope then opened_at else event_ts end as date), step
order by date
