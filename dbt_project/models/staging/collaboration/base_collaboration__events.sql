{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'key_of': ['event_id'],
        'loads': [['collaboration', 'events']],
        'date': 'event_date',
        'log': [
            'event_id', 'event_type', 'draft_id', 'creator_id', 'user_id', 'segment_id', 'contributor_id', 'from_user_id',
            'to_user_id', 'publisher_id', 'event_date', 'extract_date', 'copy_status',
        ],
    }},
) }}

{%- set columns = [
    'id_hash', 'content_hash', 'event_type', 'draft_id', 'creator_id', 'user_id', 'segment_id', 'contributor_id', 'from_user_id',
    'to_user_id', 'publisher_id', 'extract_date', 'source_file', 'source_line', 'batch_index',
] %}

{%- set copies %}
select
    'events' as stream,
    row_id as event_id,
    idempotency_key is null as is_hashed,
    timestamp as event_ts,
    cast(timestamp as date) as event_date,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('collaboration', 'events') }}
{%- endset %}

{{ settled_copies(copies, 'event_id') }}
order by event_date
