{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['assessment', 'test_sessions']],
        'log': ['session_id', 'extract_date'],
    }},
) }}

{%- set copies %}
select
    'test_sessions' as stream,
    row_id,
    id_hash,
    content_hash,
    session_id,
    user_id,
    created_at,
    extract_date,
    source_file,
    source_line,
    batch_index
from {{ arrived_rows('assessment', 'test_sessions') }}
{%- endset %}

{{ settled_copies(copies, 'row_id') }}
