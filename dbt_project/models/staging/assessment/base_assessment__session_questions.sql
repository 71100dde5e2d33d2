{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['assessment', 'session_questions']],
        'log': ['session_id', 'extract_date'],
    }},
) }}

{%- set copies %}
select
    'session_questions' as stream,
    row_id,
    id_hash,
    content_hash,
    session_id,
    question_id,
    position,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ arrived_rows('assessment', 'session_questions') }}
{%- endset %}

{{ settled_copies(copies, 'row_id') }}
