{{ config(meta={'dagster': {'ref': {'name': 'daily_user_stats'}}}) }}

with daily_user_stats as (
    select
        user_id,
        date,
        sessions_started
    from {{ ref('daily_user_stats') }}
),

study_sessions as (
    select
        user_id,
        cast(started_at as date) as date,
        count(*) as sessions_started
    from {{ ref('study_sessions') }}
    group by user_id, cast(started_at as date)
)

{{ rows_that_disagree('daily_user_stats', 'study_sessions', ['user_id', 'date'], ['sessions_started']) }}
