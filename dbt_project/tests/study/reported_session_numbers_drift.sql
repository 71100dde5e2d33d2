{{ config(severity='warn') }}

{#-
What the app reports of a session against what its events say. Only where both speak of the same span: the session ended by its own session_end
and nothing came after it. Counts have to be the same; times may differ by a minute, for the app's clock runs on the device and it rounds.
-#}
{%- set tolerance_seconds = 60 -%}
{%- set numbers = {
    'duration_seconds': tolerance_seconds,
    'active_seconds': tolerance_seconds,
    'materials_viewed': 0,
    'questions_attempted': 0,
    'xp_earned': 0,
} -%}

with sessions as (
    select *
    from {{ ref('study_sessions') }}
    where end_reason = 'explicit' and events_after_end = 0
)
{% for number, tolerance in numbers.items() %}
select
    session_id,
    started_at,
    '{{ number }}' as number,
    cast(reported_{{ number }} as double) as reported,
    cast({{ number }} as double) as derived
from sessions
where abs(reported_{{ number }} - {{ number }}) > {{ tolerance }}
{{ 'union all' if not loop.last }}
{%- endfor %}
