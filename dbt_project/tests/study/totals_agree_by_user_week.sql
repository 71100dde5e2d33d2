{{ config(meta={'dagster': {'ref': {'name': 'weekly_user_stats'}}}) }}

{%- set numbers = [
    'sessions_started', 'active_seconds', 'questions_attempted', 'questions_correct', 'first_attempts', 'ai_interactions',
    'hints_requested', 'quizzes_completed', 'searches', 'achievements_unlocked',
] -%}

with weekly_user_stats as (
    select
        user_id,
        week_start,
        {%- for number in numbers %}
        {{ number }},
        {%- endfor %}
        active_days
    from {{ ref('weekly_user_stats') }}
),

daily_user_stats as (
    select
        user_id,
        {{ week_of('date') }} as week_start,
        {%- for number in numbers %}
        sum({{ number }}) as {{ number }},
        {%- endfor %}
        {{ count_where('is_active_day') }} as active_days
    from {{ ref('daily_user_stats') }}
    group by user_id, {{ week_of('date') }}
)

{{ rows_that_disagree('weekly_user_stats', 'daily_user_stats', ['user_id', 'week_start'], numbers + ['active_days']) }}
