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
    from {{ touched_rows(ref('stg_study__questions'), columns={'snapshot': "'newest'"}) }}
),

newest as (
    select max(extract_date) as extract_date
    from questions
)

select
    'newest' as snapshot,
    questions.question_id,
    questions.topic_id
from questions
inner join newest on questions.extract_date = newest.extract_date
