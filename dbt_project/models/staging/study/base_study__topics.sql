{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['id_hash'],
        'loads': [['study', 'topics']],
        'log': ['extract_date'],
    }},
) }}

with copies as (
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
    {{ union_with_kept_copies(['copy_number', 'copy_status']) }}
)

select
    *,
    {{ copy_number('extract_date, row_id') }} as copy_number,
    {{ copy_status('extract_date, row_id') }} as copy_status
from copies
