{{ config(materialized='view') }}

select
    system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    reason,
    detail
from {{ ref('stg_operations__quarantine') }}

{%- for posted in posted_streams() %}

union all

select
    '{{ posted['system'] }}' as system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    'id_conflict' as reason,
    '{{ posted['identity'] }}: seen before with other content' as detail
from {{ ref(posted['model']) }}
where copy_status = 'conflict'
{%- endfor %}

union all

select
    'assessment' as system,
    stream,
    extract_date,
    source_file,
    source_line,
    batch_index,
    verdict as reason,
    case verdict
        when 'unknown_session' then 'session_id: ' || session_id
        when 'session_not_owned' then 'user_id: ' || user_id
        else 'question_id: ' || question_id
    end as detail
from {{ ref('base_assessment__judged_events') }}
where verdict != 'accepted'
