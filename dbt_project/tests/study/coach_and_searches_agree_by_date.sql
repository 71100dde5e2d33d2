{{ config(meta={
    'dagster': {'ref': {'name': 'ai_coach_daily_stats'}},
    'keyed': keyed_by(['date'], ['daily_user_stats', 'search_daily_stats', 'ai_coach_daily_stats']),
}) }}

with daily_user_stats as (
    select
        date,
        sum(ai_interactions) as questions,
        sum(hints_requested) as hints_requested,
        sum(searches) as searches
    from {{ touched_rows(ref('daily_user_stats'), date='date') }}
    group by date
),

search_types as (
    select
        date,
        sum(searches) as searches
    from {{ touched_rows(ref('search_daily_stats'), date='date') }}
    group by date
),

coach_and_searches as (
    select
        coalesce(coach.date, search_types.date) as date,
        coach.questions,
        coach.hints_requested,
        search_types.searches
    from {{ touched_rows(ref('ai_coach_daily_stats'), date='date') }} as coach
    full outer join search_types on coach.date = search_types.date
)

{{ rows_that_disagree('coach_and_searches', 'daily_user_stats', ['date'], ['questions', 'hints_requested', 'searches']) }}
