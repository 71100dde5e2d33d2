{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['study', 'topic_prerequisites']],
        'log': ['extract_date'],
    }},
) }}

{%- set copies %}
select
    'topic_prerequisites' as stream,
    row_id,
    id_hash,
    content_hash,
    topic_id,
    prerequisite_topic_id,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ arrived_rows('study', 'topic_prerequisites') }}
{%- endset %}

{{ settled_copies(copies, 'extract_date, row_id') }}
