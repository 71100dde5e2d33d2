{#- A change touches the events after it, too, as far as an attempt reaches: they can have been in its scope, or come into it. -#}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['funnel', 'entity', 'event_date'],
        'follows': {'int_funnels__events': '
            select funnel, entity, event_date from changes
            union
            select self.funnel, self.entity, self.event_date
            from self
            inner join (select distinct funnel, entity, event_date, window_hours from changes) as touched
                on
                    self.funnel = touched.funnel
                    and self.entity = touched.entity
                    and self.event_date > touched.event_date
                    and self.event_date <= ' ~ days_after('touched.event_date', funnel_window_days('touched.window_hours'))
        },
        'date': 'event_date',
        'log': ['funnel', 'date'],
    }},
) }}

-- The touched days of an entity, and before them the days of all attempts whose scopes can reach them.
with events as (
    select *
    from {{ later_rows(
        ref('int_funnels__events'),
        by=['funnel', 'entity'],
        date='event_date',
        days_before=funnel_window_days('read.window_hours'),
        most_days=funnel_most_window_days(ref('int_funnels__declared')),
    ) }}
),

scoped as (
    {{ funnel_scopes('events') }}
),

steps as (
    select *
    from scoped
    where role = 'step'
)

select
    funnel,
    entity,
    event_date,
    cast(case when is_in_scope then opened_at else event_ts end as date) as date,
    step,
    {{ count_where('is_in_scope') }} as events,
    {{ count_where('not is_in_scope') }} as unattributed_events
from {{ touched_rows('steps') }}
group by funnel, entity, event_date, cast(case when is_in_scope then opened_at else event_ts end as date), step
order by event_date
