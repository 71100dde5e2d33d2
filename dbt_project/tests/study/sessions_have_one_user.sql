{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'study_sessions'}}}) }}

select
    session_id,
    user_id,
    users,
    events
from {{ ref('int_study__sessions') }}
where users > 1
