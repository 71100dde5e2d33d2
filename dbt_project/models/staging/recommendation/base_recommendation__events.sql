{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'key_of': ['row_id'],
        'loads': [['recommendation', 'events']],
        'date': 'event_date',
        'log': [
            'event_id', 'event_type', 'child_id', 'recommendation_id', 'is_collapsed', 'event_date', 'extract_date', 'copy_status',
        ],
    }},
) }}

{#- A key that an earlier producer reused is told apart by its time: the lake's row_id holds both. -#}
{%- set identity = 'event_id, row_id' %}
{%- set columns = [
    'row_id', 'id_hash', 'content_hash', 'event_order', 'child_id', 'recommendation_id', 'position', 'is_collapsed',
    'extract_date', 'source_file', 'source_line', 'batch_index',
] %}

{%- set copies %}
select
    'events' as stream,
    event_key as event_id,
    event as event_type,
    occurred_at as event_ts,
    cast(occurred_at as date) as event_date,
    {{ columns | join(',\n    ') }}
from {{ arrived_rows('recommendation', 'events') }}
{%- endset %}

{{ settled_copies(copies, identity) }}
order by event_date
