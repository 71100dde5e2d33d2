{{ config(meta={'dagster': {'ref': {'name': 'test_sessions'}}}) }}

with reference_rows as (
    select
        session_id,
        1 as row_count
    from {{ ref('stg_assessment__test_sessions') }}
),

test_sessions as (
    select
        session_id,
        1 as row_count
    from {{ ref('test_sessions') }}
)

{{ rows_that_disagree('reference_rows', 'test_sessions', ['session_id'], ['row_count']) }}
