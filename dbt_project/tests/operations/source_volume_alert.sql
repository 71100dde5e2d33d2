{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'telemetry_quality_daily'}}}) }}

with telemetry as (
    select
        system,
        source,
        extract_date,
        rows_read
    from {{ ref('telemetry_quality_daily') }}
    where {{ is_alertable_or_usual('extract_date') }}
),

sources as (
    select distinct
        system,
        source
    from telemetry
    where source != '-'
),

dates as (
    select distinct
        system,
        extract_date
    from telemetry
),

-- A source has no row on a date on which nothing came from it.
volumes as (
    select
        sources.system,
        sources.source,
        dates.extract_date,
        coalesce(telemetry.rows_read, 0) as row_count
    from sources
    inner join dates on sources.system = dates.system
    left join telemetry
        on
            sources.system = telemetry.system
            and sources.source = telemetry.source
            and dates.extract_date = telemetry.extract_date
)

{{ unusual_volumes('volumes', ['system', 'source']) }}
