{{ config(meta={
    'dagster': {'ref': {'name': 'daily_user_stats'}},
    'keyed': keyed_by(['user_id', 'date'], ['daily_user_stats', 'study_sessions']),
}) }}

with daily_user_stats as (
    select
        user_id,
        date,
        sessions_started
    from {{ touched_rows(ref('daily_user_stats'), date='date') }}
),

study_sessions as (
    select
        user_id,
        cast(started_at as date) as date,
        count(*) as sessions_started
    from {{ touched_rows(ref('study_sessions'), columns={'date': 'cast(read.started_at as date)'}, time='started_at') }}
    group by user_id, cast(started_at as date)
)

{{ rows_that_disagree('daily_user_stats', 'study_sessions', ['user_id', 'date'], ['sessions_started']) }}
