{{ config(severity='warn') }}

select
    topic_id,
    prerequisite_topic_id
from {{ ref('int_study__topic_prerequisites') }}
where is_cycle and is_direct
