select
    session_id,
    question_id,
    position,
    extract_date,
    source_file,
    source_line
from {{ ref('base_assessment__session_questions') }}
where copy_status = 'kept'
