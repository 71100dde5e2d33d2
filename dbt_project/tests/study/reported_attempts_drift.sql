{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'question_attempts'}}}) }}

{#- What the app reports of an attempt against what the attempts say. -#}
{%- set numbers = ['attempt_number', 'is_first_attempt'] -%}

with attempts as (
    select *
    from {{ ref('question_attempts') }}
    where {{ is_alertable('date') }}
)
{% for number in numbers %}
select
    date,
    '{{ number }}' as number,
    count(reported_{{ number }}) as attempts_reported,
    {{ count_where('reported_' ~ number ~ ' != ' ~ number) }} as attempts_that_differ
from attempts
group by date
having {{ count_where('reported_' ~ number ~ ' != ' ~ number) }} > {{ var('alert_reported_drift_rate') }} * count(reported_{{ number }})
{{ 'union all' if not loop.last }}
{%- endfor %}
