{{ config(meta={'dagster': {'ref': {'name': 'material_interactions'}}}) }}

{#- Users with an absurd sum that was cut at the type's limit (`sum_of_decimals`) are left out: what is cut does not add up. -#}
{%- set limit = '999999999999.999999' -%}

with daily_user_stats as (
    select
        user_id,
        case when max(reading_seconds) < {{ limit }} then sum(reading_seconds) end as reading_seconds
    from {{ ref('daily_user_stats') }}
    group by user_id
),

material_interactions as (
    select
        user_id,
        case when max(duration_seconds) < {{ limit }} then sum(duration_seconds) end as reading_seconds
    from {{ ref('material_interactions') }}
    group by user_id
),

cut as (
    select user_id
    from daily_user_stats
    where reading_seconds is null

    union

    select user_id
    from material_interactions
    where reading_seconds is null
),

disagreeing as (
    {{ rows_that_disagree('daily_user_stats', 'material_interactions', ['user_id'], ['reading_seconds']) }}
)

select *
from disagreeing
where user_id not in (select user_id from cut)
