{{ config(meta={'dagster': {'ref': {'name': 'topic_daily_stats'}}}) }}

{#- Dates with an absurd sum that was cut at the type's limit (`sum_of_decimals`) are left out: what is cut does not add up. -#}
{%- set limit = '999999999999.999999' -%}

with daily_user_stats as (
    select
        date,
        case when max(reading_seconds) < {{ limit }} then sum(reading_seconds) end as reading_seconds
    from {{ ref('daily_user_stats') }}
    group by date
),

topic_daily_stats as (
    select
        date,
        case when max(reading_seconds) < {{ limit }} then sum(reading_seconds) end as reading_seconds
    from {{ ref('topic_daily_stats') }}
    group by date
),

cut as (
    select date
    from daily_user_stats
    where reading_seconds is null

    union

    select date
    from topic_daily_stats
    where reading_seconds is null
),

disagreeing as (
    {{ rows_that_disagree('daily_user_stats', 'topic_daily_stats', ['date'], ['reading_seconds']) }}
)

select *
from disagreeing
where date not in (select date from cut)
