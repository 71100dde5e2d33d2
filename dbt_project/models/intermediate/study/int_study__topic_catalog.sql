{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'base_study__topics': "select 'newest' as snapshot from changes"},
        'log': ['topic_id'],
    }},
) }}

with topics as (
    select *
    from {{ newest_snapshot(ref('stg_study__topics')) }}
)

select
    'newest' as snapshot,
    topic_id,
    name,
    level,
    parent_topic_id
from topics
