{{ config(meta={'dagster': {'ref': {'name': 'error_daily_stats'}}}) }}

with error_daily_stats as (
    select
        date,
        sum(errors) as errors
    from {{ ref('error_daily_stats') }}
    group by date
),

-- Those of chapters, and those that name none.
errors as (
    select
        date,
        errors
    from {{ ref('chapter_daily_stats') }}

    union all

    select
        event_date as date,
        count(*) as errors
    from {{ ref('stg_textbook__events') }}
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
