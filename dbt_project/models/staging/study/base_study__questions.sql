{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['study', 'questions']],
        'log': ['extract_date'],
    }},
) }}

{%- set copies %}
select
    'questions' as stream,
    row_id,
    id_hash,
    content_hash,
    question_id,
    topic_id,
    difficulty,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ arrived_rows('study', 'questions') }}
{%- endset %}

{{ settled_copies(copies, 'extract_date, row_id') }}
