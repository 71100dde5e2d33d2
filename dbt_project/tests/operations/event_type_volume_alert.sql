{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

with events as (
    select
        system,
        event_type,
        extract_date,
        {{ sum_of_integers('events') }} as row_count
    from {{ ref('int_operations__filled_fields') }}
    -- Each field of a type is told with all its events: one field, which all systems have, counts them once.
    where field = 'event_id' and {{ is_alertable_or_usual('extract_date') }}
    group by system, event_type, extract_date
),

event_types as (
    select distinct
        system,
        event_type
    from events
),

dates as (
    select distinct
        system,
        extract_date
    from {{ ref('event_ledger') }}
    where stream in ('events', 'batches') and {{ is_alertable_or_usual('extract_date') }}
),

volumes as (
    select
        event_types.system,
        event_types.event_type,
        dates.extract_date,
        coalesce(events.row_count, 0) as row_count
    from event_types
    inner join dates on event_types.system = dates.system
    left join events
        on
            event_types.system = events.system
            and event_types.event_type = events.event_type
            and dates.extract_date = events.extract_date
)

{{ unusual_volumes('volumes', ['system', 'event_type']) }}
