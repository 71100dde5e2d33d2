{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {'base_assessment__judged_events': "select session_id, event_date from changes where verdict = 'accepted'"},
        'date': 'event_date',
        'dates_in': {'base_assessment__judged_events': ['session_id']},
        'log': ['source', 'extract_date'],
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('stg_assessment__events'), date='event_date') }}
),

sessions as (
    select
        session_id,
        count(distinct seq) as seen_seq,
        coalesce(max(seq) - min(seq) - (count(distinct seq) - 1), 0) as missing_seq
    from events
    group by session_id
),

deliveries as (
    select distinct
        session_id,
        coalesce(source, '-') as source,
        extract_date
    from events
)

select
    deliveries.session_id,
    deliveries.source,
    deliveries.extract_date,
    sessions.seen_seq,
    sessions.missing_seq
from deliveries
inner join sessions on deliveries.session_id = sessions.session_id
order by deliveries.extract_date
