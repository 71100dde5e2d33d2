{{ config(meta={'dagster': {'ref': {'name': 'ai_coach_daily_stats'}}}) }}

with daily_user_stats as (
    select
        date,
        sum(ai_interactions) as questions,
        sum(hints_requested) as hints_requested,
        sum(searches) as searches
    from {{ ref('daily_user_stats') }}
    group by date
),

search_types as (
    select
        date,
        sum(searches) as searches
    from {{ ref('search_daily_stats') }}
    group by date
),

coach_and_searches as (
    select
        coalesce(coach.date, search_types.date) as date,
        coach.questions,
        coach.hints_requested,
        search_types.searches
    from {{ ref('ai_coach_daily_stats') }} as coach
    full outer join search_types on coach.date = search_types.date
)

{{ rows_that_disagree('coach_and_searches', 'daily_user_stats', ['date'], ['questions', 'hints_requested', 'searches']) }}
