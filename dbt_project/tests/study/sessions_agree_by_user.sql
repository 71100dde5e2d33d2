{{ config(meta={
    'dagster': {'ref': {'name': 'user_learning_metrics'}},
    'keyed': keyed_by(['user_id'], ['user_learning_metrics', 'study_sessions']),
}) }}

with user_learning_metrics as (
    select
        user_id,
        total_sessions
    from {{ touched_rows(ref('user_learning_metrics')) }}
),

study_sessions as (
    select
        user_id,
        count(*) as total_sessions
    from {{ touched_rows(ref('study_sessions')) }}
    group by user_id
)

{{ rows_that_disagree('user_learning_metrics', 'study_sessions', ['user_id'], ['total_sessions']) }}
