{{ config(meta={
    'dagster': {'ref': {'name': 'study_sessions'}},
    'keyed': keyed_by(
        ['user_id'],
        ['daily_user_stats', 'study_sessions', 'int_study__sessions', 'int_study__derived_sessions', 'base_study__events'],
    ),
}) }}

{#-
A user's day counts the user's own events, a session those of everyone in it. So users who ever shared a session are compared as one, `shared`;
every other one alone. The events counted here belong to a session without exception: only `streak_*` events do not. XP that was cut at the
type's limit (`sum_of_integers`) does not add up: such a user's XP is left out.

Those who share are always looked at, and all of them. Whether a user is one changes with an event of the user or with the session of another one:
both are followed.
-#}
{%- set limit = '9223372036854775807' -%}
{%- set numbers = ['ai_interactions', 'achievements_unlocked', 'searches', 'questions_attempted', 'questions_correct'] -%}

with sharing_users as (
    select distinct events.user_id
    from {{ ref('int_study__session_events') }} as events
    inner join {{ ref('int_study__sessions') }} as sessions on events.session_id = sessions.session_id
    where sessions.users > 1
),
{%- for counted_in in ['daily_user_stats', 'study_sessions'] %}

rows_of_{{ counted_in }} as (
    select
        counted.*,
        counted.user_id as compared_as
    from {{ touched_rows(ref(counted_in)) }} as counted
    left join sharing_users on counted.user_id = sharing_users.user_id
    where sharing_users.user_id is null

    union all

    select
        counted.*,
        'shared' as compared_as
    from {{ ref(counted_in) }} as counted
    inner join sharing_users on counted.user_id = sharing_users.user_id
),

{{ counted_in }} as (
    select
        compared_as as user_id,
        max(xp_earned) as highest_xp,
        {%- for number in numbers %}
        sum({{ number }}) as {{ number }},
        {%- endfor %}
        sum(xp_earned) as xp_earned
    from rows_of_{{ counted_in }}
    group by compared_as
),
{%- endfor %}

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
