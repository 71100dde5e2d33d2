{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {'int_study__active_days': 'select user_id from changes'},
        'log': ['user_id', 'date'],
    }},
) }}

with active_days as (
    select *
    from {{ touched_rows(ref('int_study__active_days')) }}
),

-- Consecutive days less their number within the user are one and the same day: the run they belong to.
runs as (
    select
        user_id,
        date,
        {{ days_after('date', '-' ~ 'cast(row_number() over (partition by user_id order by date) as int)') }} as run
    from active_days
)

select
    user_id,
    date,
    cast(row_number() over (partition by user_id, run order by date) as bigint) as streak_days
from runs
order by date
