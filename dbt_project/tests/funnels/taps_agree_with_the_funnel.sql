{{ config(meta={
    'dagster': {'ref': {'name': 'recommendation_funnel'}},
    'keyed': {
        'key': ['date'],
        'follows': {
            'recommendation_funnel': 'select date from changes',
            'base_recommendation__events': 'select event_date as date from changes',
            'funnel_daily': 'select date from changes',
        },
        'date': 'date',
    },
}) }}

with recommendation_funnel as (
    select
        date,
        sum(taps) as taps,
        sum(taps) as first_step_events
    from {{ touched_rows(ref('recommendation_funnel'), date='date') }}
    group by date
    having sum(taps) > 0
),

staging as (
    select
        event_date as date,
        count(*) as taps
    from {{ touched_rows(ref('stg_recommendation__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'tap'
    group by event_date
),

funnel as (
    select
        date,
        events as first_step_events
    from {{ touched_rows(ref('funnel_daily'), date='date') }}
    where funnel = 'recommendation' and step = 1
),

counted as (
    select
        staging.date,
        staging.taps,
        funnel.first_step_events
    from staging
    left join funnel on staging.date = funnel.date
)

{{ rows_that_disagree('recommendation_funnel', 'counted', ['date'], ['taps', 'first_step_events']) }}
