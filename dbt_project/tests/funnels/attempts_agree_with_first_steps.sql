{{ config(meta={'dagster': {'ref': {'name': 'funnel_attempts'}}}) }}

with first_steps as (
    select
        funnel,
        count(*) as attempts
    from {{ ref('int_funnels__events') }}
    where step = 1
    group by funnel
),

funnel_attempts as (
    select
        funnel,
        count(*) as attempts
    from {{ ref('funnel_attempts') }}
    group by funnel
)

{{ rows_that_disagree('funnel_attempts', 'first_steps', ['funnel'], ['attempts']) }}
