{{ config(meta={'dagster': {'ref': {'name': 'recommendation_funnel'}}}) }}

with recommendation_funnel as (
    select
        date,
        sum(taps) as taps,
        sum(taps) as first_step_events
    from {{ ref('recommendation_funnel') }}
    group by date
    having sum(taps) > 0
),

staging as (
    select
        event_date as date,
        count(*) as taps
    from {{ ref('stg_recommendation__events') }}
    where event_type = 'tap'
    group by event_date
),

funnel as (
    select
        date,
        events as first_step_events
    from {{ ref('funnel_daily') }}
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
