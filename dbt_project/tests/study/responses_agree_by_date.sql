{{ config(meta={'dagster': {'ref': {'name': 'ai_model_daily_stats'}}}) }}

with ai_coach_daily_stats as (
    select
        date,
        responses
    from {{ ref('ai_coach_daily_stats') }}
),

ai_model_daily_stats as (
    select
        date,
        sum(responses) as responses
    from {{ ref('ai_model_daily_stats') }}
    group by date
)

{{ rows_that_disagree('ai_coach_daily_stats', 'ai_model_daily_stats', ['date'], ['responses']) }}
