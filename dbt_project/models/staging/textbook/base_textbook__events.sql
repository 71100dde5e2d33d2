{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'key_of': ['event_id'],
        'loads': [['textbook', 'events']],
        'date': 'event_date',
        'log': [
            'event_id', 'event_type', 'user_id', 'chapter_id', 'section_id', 'block_type', 'error_type', 'event_date',
            'extract_date', 'copy_status',
        ],
    }},
) }}

{%- set columns = [
    'id_hash', 'content_hash', 'event_type', 'user_id', 'chapter_id', 'section_id', 'block_type', 'error_type', 'extract_date',
    'source_file', 'source_line', 'batch_index',
] %}

{%- set copies %}
select
    'events' as stream,
    row_id as event_id,
    event_id is null as is_hashed,
    timestamp as event_ts,
    cast(timestamp as date) as event_date,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('textbook', 'events') }}
{%- endset %}

{{ settled_copies(copies, 'event_id') }}
order by event_date
