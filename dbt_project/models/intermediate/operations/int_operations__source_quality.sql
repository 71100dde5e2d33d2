{%- set plain_systems = ['recommendation', 'collaboration', 'textbook'] -%}
{%- set follows = {
    'base_study__events': "select 'study' as system, '-' as source, extract_date from changes where copy_status = 'kept'",
    'base_assessment__judged_events': "select 'assessment' as system, coalesce(source, '-') as source, extract_date from changes",
    'int_assessment__session_deliveries': "select 'assessment' as system, source, extract_date from changes",
} -%}
{%- for system in plain_systems -%}
    {%- do follows.update({
        'base_' ~ system ~ '__events': "select '" ~ system ~ "' as system, '-' as source, extract_date from changes where copy_status = 'kept'",
    }) -%}
{%- endfor -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {'key': ['system', 'source', 'extract_date'], 'follows': follows, 'date': 'extract_date'}},
) }}

with events as (
    select
        'study' as system,
        '-' as source,
        extract_date,
        event_date,
        'accepted' as verdict,
        {{ microseconds_between('client_ts', 'event_ts') }} as clock_skew,
        cast(null as bigint) as delivery_lag
    from {{ touched_rows(ref('stg_study__events'), columns={'system': "'study'", 'source': "'-'"}, date='extract_date') }}

    union all

    select
        'assessment' as system,
        coalesce(source, '-') as source,
        extract_date,
        event_date,
        verdict,
        {{ microseconds_between('client_ts', 'event_ts') }} as clock_skew,
        {{ microseconds_between('event_ts', 'received_at') }} as delivery_lag
    from {{ touched_rows(
        ref('base_assessment__judged_events'),
        columns={'system': "'assessment'", 'source': "coalesce(read.source, '-')"},
        date='extract_date',
    ) }}
    {%- for system in plain_systems %}

    union all

    select
        '{{ system }}' as system,
        '-' as source,
        extract_date,
        event_date,
        'accepted' as verdict,
        cast(null as bigint) as clock_skew,
        cast(null as bigint) as delivery_lag
    from {{ touched_rows(
        ref('stg_' ~ system ~ '__events'), columns={'system': "'" ~ system ~ "'", 'source': "'-'"}, date='extract_date'
    ) }}
    {%- endfor %}
),

sessions as (
    select
        'assessment' as system,
        source,
        extract_date,
        {{ sum_of_integers('seen_seq') }} as seen_seq,
        {{ sum_of_integers('missing_seq') }} as missing_seq
    from {{ touched_rows(
        ref('int_assessment__session_deliveries'), columns={'system': "'assessment'"}, date='extract_date'
    ) }}
    group by source, extract_date
),

accepted as (
    select
        system,
        source,
        extract_date,
        count(*) as events,
        {{ count_where('event_date < extract_date') }} as events_late,
        {{ percentile_of(seconds('clock_skew'), 0.5) }} as clock_skew_p50,
        {{ percentile_of(seconds('clock_skew'), 0.95) }} as clock_skew_p95,
        {{ percentile_of(seconds('delivery_lag'), 0.5) }} as delivery_lag_p50,
        {{ percentile_of(seconds('delivery_lag'), 0.95) }} as delivery_lag_p95,
        {{ percentile_of(seconds('delivery_lag'), 0.99) }} as delivery_lag_p99
    from events
    where verdict = 'accepted'
    group by system, source, extract_date
),

held as (
    select
        system,
        source,
        extract_date,
        {{ count_where("verdict != 'accepted'") }} as events_held
    from events
    group by system, source, extract_date
)

select
    held.system,
    held.source,
    held.extract_date,
    coalesce(accepted.events, 0) as events,
    coalesce(accepted.events_late, 0) as events_late,
    held.events_held,
    accepted.clock_skew_p50,
    accepted.clock_skew_p95,
    accepted.delivery_lag_p50,
    accepted.delivery_lag_p95,
    accepted.delivery_lag_p99,
    sessions.seen_seq,
    sessions.missing_seq
from held
left join accepted
    on held.system = accepted.system and held.source = accepted.source and held.extract_date = accepted.extract_date
left join sessions
    on held.system = sessions.system and held.source = sessions.source and held.extract_date = sessions.extract_date
order by held.extract_date
