{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['study', 'topics']],
        'log': ['extract_date'],
    }},
) }}

{%- set copies %}
select
    'topics' as stream,
    row_id,
    id_hash,
    content_hash,
    topic_id,
    name,
    level,
    parent_topic_id,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ arrived_rows('study', 'topics') }}
{%- endset %}

{{ settled_copies(copies, 'extract_date, row_id') }}
