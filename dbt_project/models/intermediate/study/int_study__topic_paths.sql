{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'base_study__topic_prerequisites': "select 'newest' as snapshot from changes"},
        'log': ['topic_id'],
    }},
) }}

with direct as (
    select
        topic_id,
        prerequisite_topic_id
    from {{ newest_snapshot(ref('stg_study__topic_prerequisites')) }}
),

paths_1 as (
    select
        topic_id,
        prerequisite_topic_id
    from direct
    union
    select
        topic_id,
        topic_id as prerequisite_topic_id
    from direct
    union
    select
        prerequisite_topic_id as topic_id,
        prerequisite_topic_id
    from direct
),

{{ topic_paths() }}

select
    'newest' as snapshot,
    paths_8.topic_id,
    paths_8.prerequisite_topic_id,
    direct.topic_id is not null as is_direct
from paths_8
left join direct on paths_8.topic_id = direct.topic_id and paths_8.prerequisite_topic_id = direct.prerequisite_topic_id
