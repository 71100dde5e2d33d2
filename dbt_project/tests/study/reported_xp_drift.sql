{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'user_gamification'}}}) }}
{#- A check is shown at a model that it depends on: at the mart that has both totals. -#}
{%- do ref('user_gamification') -%}

{#-
By how much the app's total moves from one reward of a learner to the next, against what the reward says. Not the totals themselves: those
of who had points before the first extract would differ for good.
-#}

with rewards as (
    select
        event_date,
        cast(xp_amount as decimal(38, 0)) as xp,
        cast(new_total_xp as decimal(38, 0)) - cast(lag(new_total_xp) over (
            partition by user_id
            order by event_ts, new_total_xp, event_id
        ) as decimal(38, 0)) as reported_xp
    from {{ ref('stg_study__events') }}
    where event_type = 'xp_earned' and {{ is_alertable_or_usual('event_date') }}
)

select
    event_date as date,
    count(reported_xp) as rewards_reported,
    {{ count_where('reported_xp != xp') }} as rewards_that_differ
from rewards
where {{ is_alertable('event_date') }}
group by event_date
having {{ count_where('reported_xp != xp') }} > {{ var('alert_reported_drift_rate') }} * count(reported_xp)
