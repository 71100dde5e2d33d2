{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_operations__failed_loads'}}}) }}

with loads as (
    select
        system,
        loaded_at,
        0 as failed
    from {{ ref('stg_operations__loads') }}
    union all
    select
        system,
        loaded_at,
        1 as failed
    from {{ ref('stg_operations__failed_loads') }}
),

-- The last days are those before the newest load of all: no test reads the clock.
newest as (
    select {{ minutes_after('max(loaded_at)', '-1440 * ' ~ var('alert_failed_load_days')) }} as loaded_after
    from loads
),

recent as (
    select
        loads.system,
        loads.failed,
        count(*) over () as all_loads,
        sum(loads.failed) over () as all_failed_loads
    from loads
    inner join newest on loads.loaded_at > newest.loaded_after
)

select
    system,
    count(*) as failed_loads,
    max(all_failed_loads) as all_failed_loads,
    max(all_loads) as all_loads
from recent
where failed = 1 and all_failed_loads > {{ var('alert_failed_load_share') }} * all_loads
group by system
