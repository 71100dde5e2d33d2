{{ config(meta={'dagster': {'ref': {'name': 'telemetry_quality_daily'}}}) }}

with telemetry_quality_daily as (
    select
        system,
        extract_date,
        sum(rows_read) as rows_read,
        sum(events) as rows_accepted,
        cast(round(sum(coalesce(rejection_rate, 0) * rows_read)) as bigint) as rows_rejected
    from {{ ref('telemetry_quality_daily') }}
    group by system, extract_date
),

event_ledger as (
    select
        system,
        extract_date,
        sum(rows_read) as rows_read,
        sum(rows_accepted) as rows_accepted,
        sum(rows_rejected) as rows_rejected
    from {{ ref('event_ledger') }}
    where stream in ('events', 'batches')
    group by system, extract_date
)

{{ rows_that_disagree(
    'telemetry_quality_daily', 'event_ledger', ['system', 'extract_date'], ['rows_read', 'rows_accepted', 'rows_rejected']
) }}
