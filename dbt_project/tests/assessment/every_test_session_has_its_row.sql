{{ config(meta={
    'dagster': {'ref': {'name': 'test_sessions'}},
    'keyed': keyed_by(['session_id'], ['test_sessions', 'base_assessment__test_sessions']),
}) }}

with reference_rows as (
    select
        session_id,
        1 as row_count
    from {{ touched_rows(ref('stg_assessment__test_sessions')) }}
),

test_sessions as (
    select
        session_id,
        1 as row_count
    from {{ touched_rows(ref('test_sessions')) }}
)

{{ rows_that_disagree('reference_rows', 'test_sessions', ['session_id'], ['row_count']) }}
