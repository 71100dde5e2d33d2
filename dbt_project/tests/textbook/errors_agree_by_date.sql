{{ config(meta={
    'dagster': {'ref': {'name': 'error_daily_stats'}},
    'keyed': {
        'key': ['date'],
        'follows': {
            'error_daily_stats': 'select date from changes',
            'chapter_daily_stats': 'select date from changes',
            'base_textbook__events': 'select event_date as date from changes',
        },
        'date': 'date',
    },
}) }}

with error_daily_stats as (
    select
        date,
        sum(errors) as errors
    from {{ touched_rows(ref('error_daily_stats'), date='date') }}
    group by date
),

-- Those of chapters, and those that name none.
errors as (
    select
        date,
        errors
    from {{ touched_rows(ref('chapter_daily_stats'), date='date') }}

    union all

    select
        event_date as date,
        count(*) as errors
    from {{ touched_rows(ref('stg_textbook__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'error_event' and chapter_id is null
    group by event_date
),

chapters_and_none as (
    select
        date,
        sum(errors) as errors
    from errors
    group by date
)

{{ rows_that_disagree('error_daily_stats', 'chapters_and_none', ['date'], ['errors']) }}
