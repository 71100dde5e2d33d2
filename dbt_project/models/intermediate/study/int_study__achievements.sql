{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {
            'base_study__events': "
                select user_id, event_date as date from changes where copy_status = 'kept' and event_type = 'achievement_unlocked'",
        },
        'date': 'date',
        'log': ['user_id'],
    }},
) }}

select distinct
    user_id,
    event_date as date,
    achievement_id
from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
where event_type = 'achievement_unlocked'
order by date
