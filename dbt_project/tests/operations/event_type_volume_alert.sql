{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

with events as (
    {%- for posted in posted_streams() if posted['event_date'] %}
    select
        '{{ posted['system'] }}' as system,
        event_type,
        extract_date,
        count(*) as row_count
    from {{ ref(posted['model']) }}
    where copy_status = 'kept' and {{ is_alertable_or_usual('extract_date') }}
    group by event_type, extract_date
    {{ 'union all' if not loop.last }}
    {%- endfor %}
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
