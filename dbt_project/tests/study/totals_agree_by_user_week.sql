{{ config(meta={
    'dagster': {'ref': {'name': 'weekly_user_stats'}},
    'keyed': {
        'key': ['user_id', 'week_start'],
        'follows': {
            'weekly_user_stats': 'select user_id, week_start from changes',
            'daily_user_stats': 'select user_id, ' ~ week_of('date') ~ ' as week_start from changes',
        },
        'date': 'week_start',
    },
}) }}

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
    from {{ touched_rows(ref('weekly_user_stats'), date='week_start') }}
),

daily_user_stats as (
    select
        user_id,
        {{ week_of('date') }} as week_start,
        {%- for number in numbers %}
        sum({{ number }}) as {{ number }},
        {%- endfor %}
        {{ count_where('is_active_day') }} as active_days
    from {{ touched_rows(ref('daily_user_stats'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)) }}
    group by user_id, {{ week_of('date') }}
)

{{ rows_that_disagree('weekly_user_stats', 'daily_user_stats', ['user_id', 'week_start'], numbers + ['active_days']) }}
