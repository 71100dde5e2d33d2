{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

with volumes as (
    select
        system,
        stream,
        extract_date,
        rows_read as row_count
    from {{ ref('event_ledger') }}
)

{{ unusual_volumes('volumes', ['system', 'stream']) }}
