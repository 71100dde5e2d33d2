{{ config(meta={
    'dagster': {'ref': {'name': 'daily_user_stats'}},
    'keyed': keyed_by(['user_id'], ['daily_user_stats', 'study_sessions']),
}) }}

{#- By user: a session that crosses midnight, or three, gives its seconds to several dates. -#}
with daily_user_stats as (
    select
        user_id,
        sum(active_seconds) as active_seconds
    from {{ touched_rows(ref('daily_user_stats')) }}
    group by user_id
),

study_sessions as (
    select
        user_id,
        sum(active_seconds) as active_seconds
    from {{ touched_rows(ref('study_sessions')) }}
    group by user_id
)

{{ rows_that_disagree('daily_user_stats', 'study_sessions', ['user_id'], ['active_seconds']) }}
