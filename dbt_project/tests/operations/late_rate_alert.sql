{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'telemetry_quality_daily'}}}) }}

with telemetry as (
    select
        system,
        source,
        extract_date,
        late_rate
    from {{ ref('telemetry_quality_daily') }}
    where late_rate is not null
),

alertable as (
    select *
    from telemetry
    where {{ is_alertable('extract_date') }}
),

usual as (
    select
        alertable.system,
        alertable.source,
        alertable.extract_date,
        {{ percentile_of('earlier.late_rate', var('alert_late_rate_percentile')) }} as usual_late_rate
    from alertable
    inner join telemetry as earlier
        on
            alertable.system = earlier.system
            and alertable.source = earlier.source
            and alertable.extract_date > earlier.extract_date
            and earlier.extract_date >= {{ days_after('alertable.extract_date', '-' ~ var('alert_usual_days')) }}
    group by alertable.system, alertable.source, alertable.extract_date
    having count(*) >= {{ var('alert_usual_fewest_days') }}
)

select
    alertable.system,
    alertable.source,
    alertable.extract_date,
    alertable.late_rate,
    usual.usual_late_rate
from alertable
inner join usual
    on alertable.system = usual.system and alertable.source = usual.source and alertable.extract_date = usual.extract_date
where alertable.late_rate > usual.usual_late_rate + {{ var('alert_late_rate_margin') }}
