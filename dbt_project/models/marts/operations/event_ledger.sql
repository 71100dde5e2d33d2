{{ config(materialized='table') }}

with loads as (
    select *
    from {{ ref('int_operations__loads') }}
),

verdicts as (
    select *
    from {{ ref('int_operations__row_verdicts') }}
),

joined as (
    select
        loads.*,
        coalesce(verdicts.rows_accepted, 0) as rows_accepted,
        coalesce(verdicts.rejected_unknown_session, 0) as rejected_unknown_session,
        coalesce(verdicts.rejected_session_not_owned, 0) as rejected_session_not_owned,
        coalesce(verdicts.rejected_question_not_in_session, 0) as rejected_question_not_in_session,
        coalesce(verdicts.rows_duplicate, 0) as rows_duplicate,
        coalesce(verdicts.rows_conflict, 0) as rows_conflict,
        coalesce(verdicts.rows_late, 0) as rows_late
    from loads
    left join verdicts
        on loads.system = verdicts.system and loads.stream = verdicts.stream and loads.extract_date = verdicts.extract_date
)

select
    system,
    stream,
    extract_date,
    rows_read,
    rows_accepted,
    rows_rejected + rejected_unknown_session + rejected_session_not_owned + rejected_question_not_in_session as rows_rejected,
    rejected_malformed,
    rejected_batch_too_large,
    rejected_unknown_event_type,
    rejected_missing_field,
    rejected_invalid_field,
    rejected_payload_too_large,
    rejected_timestamp_out_of_range,
    rejected_unknown_session,
    rejected_session_not_owned,
    rejected_question_not_in_session,
    rows_duplicate,
    rows_conflict,
    rows_erased,
    rows_late,
    bytes,
    files,
    loaded_at
from joined
order by extract_date, system, stream
