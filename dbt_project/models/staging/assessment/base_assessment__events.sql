{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'key_of': ['event_id'],
        'loads': [['assessment', 'events'], ['assessment', 'batches']],
        'date': 'event_date',
        'log': ['event_id', 'session_id', 'event_date', 'stream', 'extract_date', 'copy_status'],
    }},
) }}

{%- set columns = [
    'id_hash', 'content_hash', 'event_type', 'event_ts', 'client_ts', 'seq', 'session_id', 'user_id', 'question_id', 'source', 'state',
    'extract_date', 'source_file', 'source_line', 'batch_index',
] %}

{%- set copies %}
select
    'events' as stream,
    row_id as event_id,
    cast(event_ts as date) as event_date,
    created_at as received_at,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('assessment', 'events') }}

union all

select
    'batches' as stream,
    row_id as event_id,
    cast(event_ts as date) as event_date,
    received_at,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('assessment', 'batches') }}
{%- endset %}

{{ settled_copies(copies, 'event_id') }}
order by event_date
