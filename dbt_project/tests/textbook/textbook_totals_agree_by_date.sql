{{ config(meta={'dagster': {'ref': {'name': 'chapter_daily_stats'}}}) }}

with staging as (
    select
        event_date as date,
        {{ count_where("event_type = 'chapter_visit'") }} as visits,
        {{ count_where("event_type = 'ai_block_used'") }} as ai_block_uses,
        {{ count_where("event_type = 'error_event' and chapter_id is not null") }} as errors
    from {{ ref('stg_textbook__events') }}
    group by event_date
),

chapter_daily_stats as (
    select
        date,
        sum(visits) as visits,
        sum(ai_block_uses) as ai_block_uses,
        sum(errors) as errors
    from {{ ref('chapter_daily_stats') }}
    group by date
)

{{ rows_that_disagree('chapter_daily_stats', 'staging', ['date'], ['visits', 'ai_block_uses', 'errors']) }}
