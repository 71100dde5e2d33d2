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

-- Loads that were made before sources were counted have their rows under `-`: what their events say of their sources is taken from there.
attributed as (
    select
        coalesce(delivered.system, quality.system) as system,
        coalesce(delivered.source, quality.source) as source,
        coalesce(delivered.extract_date, quality.extract_date) as extract_date,
        coalesce(delivered.rows_read, 0) as rows_delivered,
        greatest(
            coalesce(delivered.rows_read, 0),
            coalesce(delivered.rows_rejected, 0) + coalesce(quality.events, 0) + coalesce(quality.events_held, 0)
        ) as rows_read,
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
    from delivered
    full outer join quality
        on delivered.system = quality.system and delivered.source = quality.source and delivered.extract_date = quality.extract_date
),

moved as (
    select
        system,
        '-' as source,
        extract_date,
        sum(rows_read - rows_delivered) as rows_moved
    from attributed
    where source != '-'
    group by system, extract_date
),

-- An extract without a row has one here all the same.
sources as (
    select
        system,
        source,
        extract_date
    from attributed
    union
    select
        erased.system,
        erased.source,
        erased.extract_date
    from erased
    left join moved on erased.system = moved.system and erased.extract_date = moved.extract_date
    where erased.rows_erased > 0 or moved.system is null
),

counted as (
    select
        sources.system,
        sources.source,
        sources.extract_date,
        coalesce(attributed.rows_read, 0) + coalesce(erased.rows_erased, 0) - coalesce(moved.rows_moved, 0) as rows_read,
        coalesce(attributed.rows_rejected, 0) as rows_rejected,
        attributed.batch_events,
        attributed.batches,
        coalesce(attributed.events, 0) as events,
        coalesce(attributed.events_late, 0) as events_late,
        attributed.clock_skew_p50,
        attributed.clock_skew_p95,
        attributed.delivery_lag_p50,
        attributed.delivery_lag_p95,
        attributed.delivery_lag_p99,
        attributed.seen_seq,
        attributed.missing_seq
    from sources
    left join attributed
        on sources.system = attributed.system and sources.source = attributed.source and sources.extract_date = attributed.extract_date
    left join erased
        on sources.system = erased.system and sources.source = erased.source and sources.extract_date = erased.extract_date
    left join moved
        on sources.system = moved.system and sources.source = moved.source and sources.extract_date = moved.extract_date
)

select
    system,
    source,
    extract_date,
    cast(rows_read as bigint) as rows_read,
    events,
    {{ ratio('rows_rejected', 'rows_read') }} as rejection_rate,
    {{ ratio('batch_events', 'batches') }} as mean_batch_size,
    {{ ratio('missing_seq', 'cast(missing_seq as double) + seen_seq') }} as missing_seq_rate,
    clock_skew_p50,
    clock_skew_p95,
    delivery_lag_p50,
    delivery_lag_p95,
    delivery_lag_p99,
    {{ ratio('events_late', 'events') }} as late_rate
from counted
order by extract_date, system, source
