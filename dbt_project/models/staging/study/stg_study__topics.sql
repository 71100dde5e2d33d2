select
    topic_id,
    name,
    level,
    parent_topic_id,
    extract_date,
    source_file,
    source_line
from {{ ref('base_study__topics') }}
where copy_status = 'kept'
