{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'telemetry_quality_daily'}}}) }}
{#- A check is shown at a model that it depends on: at the mart that tells how events are delivered. -#}
{%- do ref('telemetry_quality_daily') -%}

with filled as (
    select *
    from {{ ref('int_operations__filled_fields') }}
    where {{ is_alertable_or_usual('extract_date') }}
),

usual as (
    select
        filled.system,
        filled.stream,
        filled.event_type,
        filled.field,
        filled.extract_date,
        filled.events,
        {{ ratio('filled.events_filled', 'filled.events') }} as filled_rate,
        {{ ratio('sum(earlier.events_filled)', 'sum(earlier.events)') }} as usual_filled_rate
    from filled
    inner join filled as earlier
        on
            filled.system = earlier.system
            and filled.stream = earlier.stream
            and filled.event_type = earlier.event_type
            and filled.field = earlier.field
            and filled.extract_date > earlier.extract_date
            and earlier.extract_date >= {{ days_after('filled.extract_date', '-' ~ var('alert_usual_days')) }}
    where {{ is_alertable('filled.extract_date') }} and filled.events >= {{ var('alert_filled_fewest_events') }}
    group by
        filled.system,
        filled.stream,
        filled.event_type,
        filled.field,
        filled.extract_date,
        filled.events,
        filled.events_filled
    having count(*) >= {{ var('alert_usual_fewest_days') }}
)

select *
from usual
where filled_rate < usual_filled_rate - {{ var('alert_filled_margin') }}
