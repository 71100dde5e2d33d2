{{ config(meta={'dagster': {'ref': {'name': 'ai_block_daily_stats'}}}) }}

with ai_block_daily_stats as (
    select
        date,
        sum(uses) as uses
    from {{ ref('ai_block_daily_stats') }}
    group by date
),

chapter_daily_stats as (
    select
        date,
        sum(ai_block_uses) as uses
    from {{ ref('chapter_daily_stats') }}
    group by date
)

{{ rows_that_disagree('ai_block_daily_stats', 'chapter_daily_stats', ['date'], ['uses']) }}
