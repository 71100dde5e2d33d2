{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['date'],
        'follows': {
            'base_textbook__events': "select event_date as date from changes where copy_status = 'kept' and event_type = 'error_event'",
            'chapter_daily_stats': 'select date from changes',
        },
        'date': 'date',
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_textbook__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'error_event'
),

chapters as (
    select *
    from {{ touched_rows(ref('chapter_daily_stats'), date='date') }}
),

visits as (
    select
        date,
        {{ sum_of_integers('visits') }} as visits
    from chapters
    group by date
),

errors as (
    select
        error_type,
        event_date as date,
        count(*) as errors,
        count(distinct chapter_id) as chapters
    from events
    group by error_type, event_date
)

select
    errors.error_type,
    errors.date,
    errors.errors,
    errors.chapters,
    {{ ratio('1000 * errors.errors', 'visits.visits') }} as errors_per_1000_visits
from errors
left join visits on errors.date = visits.date
order by errors.date
