{{ config(materialized='table') }}

with loads as (
    select *
    from {{ ref('int_operations__loads') }}
    where stream in ('events', 'batches')
),

delivered as (
    select *
    from {{ ref('int_operations__load_sources') }}
),

quality as (
    select *
    from {{ ref('int_operations__source_quality') }}
),

-- Rows that were erased are counted, and what they said of their source is gone.
erased as (
    select
        system,
        '-' as source,
        extract_date,
        {{ sum_of_integers('rows_erased') }} as rows_erased
    from loads
    group by system, extract_date
),

delivered_dates as (
    select distinct
        system,
        extract_date
    from delivered
),

-- An extract without a row has one here all the same.
sources as (
    select
        system,
        source,
        extract_date
    from delivered
    union
    select
        erased.system,
        erased.source,
        erased.extract_date
    from erased
    left join delivered_dates on erased.system = delivered_dates.system and erased.extract_date = delivered_dates.extract_date
    where erased.rows_erased > 0 or delivered_dates.system is null
),

counted as (
    select
        sources.system,
        sources.source,
        sources.extract_date,
        coalesce(delivered.rows_read, 0) + coalesce(erased.rows_erased, 0) as rows_read,
        coalesce(delivered.rows_rejected, 0) + coalesce(quality.events_held, 0) as rows_rejected,
        delivered.batch_events,
        delivered.batches,
        coalesce(quality.events, 0) as events,
        coalesce(quality.events_late, 0) as events_late,
        quality.clock_skew_p50,
        quality.clock_skew_p95,
        quality.delivery_lag_p50,
        quality.delivery_lag_p95,
        quality.delivery_lag_p99,
        quality.seen_seq,
        quality.missing_seq
    from sources
    left join delivered
        on sources.system = delivered.system and sources.source = delivered.source and sources.extract_date = delivered.extract_date
    left join erased
        on sources.system = erased.system and sources.source = erased.source and sources.extract_date = erased.extract_date
    left join quality
        on sources.system = quality.system and sources.source = quality.source and sources.extract_date = quality.extract_date
)

select
    system,
    source,
    extract_date,
    rows_read,
    events,
    {{ ratio('rows_rejected', 'rows_read') }} as rejection_rate,
    {{ ratio('batch_events', 'batches') }} as mean_batch_size,
    {{ ratio('missing_seq', 'missing_seq + seen_seq') }} as missing_seq_rate,
    clock_skew_p50,
    clock_skew_p95,
    delivery_lag_p50,
    delivery_lag_p95,
    delivery_lag_p99,
    {{ ratio('events_late', 'events') }} as late_rate
from counted
order by extract_date, system, source
