{{ config(meta={
    'dagster': {'ref': {'name': 'user_gamification'}},
    'keyed': keyed_by(['user_id'], ['user_gamification', 'daily_user_stats', 'weekly_user_stats', 'user_learning_metrics']),
}) }}

{#- Points that were cut at the type's limit (`sum_of_integers`) do not add up: such a user is left out. -#}
with user_gamification as (
    select
        user_id,
        total_xp,
        total_xp as total_xp_of_weeks,
        total_xp as total_xp_of_metrics
    from {{ touched_rows(ref('user_gamification')) }}
),

days as (
    select
        user_id,
        sum(xp_earned) as total_xp
    from {{ touched_rows(ref('daily_user_stats')) }}
    group by user_id
),

weeks as (
    select
        user_id,
        sum(xp_earned) as total_xp
    from {{ touched_rows(ref('weekly_user_stats')) }}
    group by user_id
),

others as (
    select
        days.user_id,
        days.total_xp,
        weeks.total_xp as total_xp_of_weeks,
        user_learning_metrics.total_xp as total_xp_of_metrics
    from days
    inner join weeks on days.user_id = weeks.user_id
    inner join {{ touched_rows(ref('user_learning_metrics')) }} as user_learning_metrics on days.user_id = user_learning_metrics.user_id
),

cut as (
    select user_id
    from user_gamification
    where total_xp = 9223372036854775807
),

disagreeing as (
    {{ rows_that_disagree('user_gamification', 'others', ['user_id'], ['total_xp', 'total_xp_of_weeks', 'total_xp_of_metrics']) }}
)

select *
from disagreeing
where user_id not in (select user_id from cut)
