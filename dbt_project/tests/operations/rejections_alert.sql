{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

with loads as (
    select
        system,
        stream,
        extract_date
    from {{ ref('event_ledger') }}
),

-- What is said of a field begins with its name; what stands behind it is the value, which is nobody's business here. Lines are counted, not
-- rows: a single batch that is wrong has up to 50 rows and more.
rejections as (
    select
        system,
        stream,
        extract_date,
        reason,
        case when reason = 'malformed' then '' else split_part(detail, ': ', 1) end as field,
        count(distinct source_file || ':' || cast(source_line as string)) as lines_rejected
    from {{ ref('stg_operations__quarantine') }}
    where {{ is_alertable_or_usual('extract_date') }}
    group by system, stream, extract_date, reason, case when reason = 'malformed' then '' else split_part(detail, ': ', 1) end
),

-- A date without such a rejection has 0 of them.
usual as (
    select
        rejections.system,
        rejections.stream,
        rejections.extract_date,
        rejections.reason,
        rejections.field,
        rejections.lines_rejected,
        {{ median_of('coalesce(earlier.lines_rejected, 0)') }} as usual_lines_rejected
    from rejections
    inner join loads
        on
            rejections.system = loads.system
            and rejections.stream = loads.stream
            and rejections.extract_date > loads.extract_date
            and loads.extract_date >= {{ days_after('rejections.extract_date', '-' ~ var('alert_usual_days')) }}
    left join rejections as earlier
        on
            loads.system = earlier.system
            and loads.stream = earlier.stream
            and loads.extract_date = earlier.extract_date
            and rejections.reason = earlier.reason
            and rejections.field = earlier.field
    where {{ is_alertable('rejections.extract_date') }}
    group by
        rejections.system,
        rejections.stream,
        rejections.extract_date,
        rejections.reason,
        rejections.field,
        rejections.lines_rejected
    having count(*) >= {{ var('alert_usual_fewest_days') }}
)

select *
from usual
where lines_rejected >= {{ var('alert_rejections_times') }} * greatest(usual_lines_rejected, 1)
