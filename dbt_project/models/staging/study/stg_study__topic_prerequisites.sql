select
    topic_id,
    prerequisite_topic_id,
    extract_date,
    source_file,
    source_line
from {{ ref('base_study__topic_prerequisites') }}
where copy_status = 'kept'
