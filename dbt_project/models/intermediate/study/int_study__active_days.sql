{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'date'],
        'follows': {'base_study__events': "select user_id, event_date as date from changes where copy_status = 'kept'"},
        'date': 'date',
        'log': ['user_id', 'date'],
    }},
) }}

select distinct
    user_id,
    event_date as date
from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
where is_learning_event
order by date
