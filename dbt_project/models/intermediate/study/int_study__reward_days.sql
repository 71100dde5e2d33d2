{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {
            'base_study__events': "
                select user_id, event_date as date from changes where copy_status = 'kept' and event_type in ('xp_earned', 'level_up')",
        },
        'date': 'date',
        'log': ['user_id'],
    }},
) }}

with statements as (
    select
        event_id,
        event_ts,
        user_id,
        event_date as date,
        case when event_type = 'level_up' then new_level end as level,
        case when event_type = 'level_up' then total_xp else new_total_xp end as reported_total_xp
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type in ('xp_earned', 'level_up')
),

placed as (
    select
        *,
        row_number() over (
            partition by user_id, date order by case when reported_total_xp is null then 1 else 0 end, event_ts desc, event_id desc
        ) as place
    from statements
)

select
    user_id,
    date,
    max(level) as highest_level,
    max(case when place = 1 then reported_total_xp end) as reported_total_xp
from placed
group by user_id, date
order by date
