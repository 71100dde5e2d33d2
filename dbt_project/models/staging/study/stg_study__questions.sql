select
    question_id,
    topic_id,
    difficulty,
    extract_date,
    source_file,
    source_line
from {{ ref('base_study__questions') }}
where copy_status = 'kept'
