{{ config(meta={'dagster': {'ref': {'name': 'study_sessions'}}}) }}

{#-
A user's day counts the user's own events, a session those of everyone in it. So users who ever shared a session are compared as one, `shared`;
every other one alone. The events counted here belong to a session without exception: only `streak_*` events do not. XP that was cut at the
type's limit (`sum_of_integers`) does not add up: such a user's XP is left out.
-#}
{%- set limit = '9223372036854775807' -%}
{%- set numbers = ['ai_interactions', 'achievements_unlocked', 'searches', 'questions_attempted', 'questions_correct'] -%}

with sharing_users as (
    select distinct events.user_id
    from {{ ref('int_study__session_events') }} as events
    inner join {{ ref('int_study__sessions') }} as sessions on events.session_id = sessions.session_id
    where sessions.users > 1
),

daily_user_stats as (
    select
        case when sharing_users.user_id is null then days.user_id else 'shared' end as user_id,
        max(days.xp_earned) as highest_xp,
        {%- for number in numbers %}
        sum(days.{{ number }}) as {{ number }},
        {%- endfor %}
        sum(days.xp_earned) as xp_earned
    from {{ ref('daily_user_stats') }} as days
    left join sharing_users on days.user_id = sharing_users.user_id
    group by case when sharing_users.user_id is null then days.user_id else 'shared' end
),

study_sessions as (
    select
        case when sharing_users.user_id is null then sessions.user_id else 'shared' end as user_id,
        max(sessions.xp_earned) as highest_xp,
        {%- for number in numbers %}
        sum(sessions.{{ number }}) as {{ number }},
        {%- endfor %}
        sum(sessions.xp_earned) as xp_earned
    from {{ ref('study_sessions') }} as sessions
    left join sharing_users on sessions.user_id = sharing_users.user_id
    group by case when sharing_users.user_id is null then sessions.user_id else 'shared' end
),

cut as (
    select user_id
    from daily_user_stats
    where highest_xp = {{ limit }}

    union

    select user_id
    from study_sessions
    where highest_xp = {{ limit }}
),

disagreeing as (
    {{ rows_that_disagree('daily_user_stats', 'study_sessions', ['user_id'], ['xp_earned'] + numbers) }}
)

select *
from disagreeing
where
    user_id not in (select user_id from cut)
    {%- for number in numbers %}
    or coalesce(daily_user_stats__{{ number }}, 0) != coalesce(study_sessions__{{ number }}, 0)
    {%- endfor %}
