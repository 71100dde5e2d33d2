{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['snapshot'],
        'follows': {'base_study__questions': "select 'newest' as snapshot from changes"},
        'log': ['question_id'],
    }},
) }}

with questions as (
    select *
    from {{ newest_snapshot(ref('stg_study__questions')) }}
)

select
    'newest' as snapshot,
    question_id,
    topic_id
from questions
