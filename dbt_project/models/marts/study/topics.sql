{{ config(materialized='table') }}

select
    topic_id,
    name as topic_name,
    level as topic_level,
    parent_topic_id
from {{ ref('int_study__topic_catalog') }}
order by topic_id
