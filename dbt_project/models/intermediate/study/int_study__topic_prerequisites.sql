{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'int_study__topic_paths': "select 'newest' as snapshot from changes"},
        'log': ['topic_id'],
    }},
) }}

-- Paths of up to 8 steps, so those here have up to 64: a longer chain of topics is no curriculum.
with paths_1 as (
    select *
    from {{ touched_rows(ref('int_study__topic_paths')) }}
),

{{ topic_paths() }},

direct as (
    select
        topic_id,
        prerequisite_topic_id
    from paths_1
    where is_direct
)

select
    'newest' as snapshot,
    there.topic_id,
    there.prerequisite_topic_id,
    direct.topic_id is not null as is_direct,
    back.topic_id is not null as is_cycle
from paths_8 as there
left join paths_8 as back on there.topic_id = back.prerequisite_topic_id and there.prerequisite_topic_id = back.topic_id
left join direct on there.topic_id = direct.topic_id and there.prerequisite_topic_id = direct.prerequisite_topic_id
where there.topic_id != there.prerequisite_topic_id or direct.topic_id is not null
