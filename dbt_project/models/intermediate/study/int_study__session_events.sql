{{ config(materialized='view') }}

select
    session_id,
    false as is_derived,
    {{ session_event_columns() | join(',\n    ') }}
from {{ ref('int_study__events') }}
where session_id is not null and event_type not like 'streak!_%' escape '!'

union all

select
    session_id,
    true as is_derived,
    {{ session_event_columns() | join(',\n    ') }}
from {{ ref('int_study__derived_sessions') }}
