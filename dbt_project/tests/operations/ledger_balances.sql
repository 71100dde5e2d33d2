{%- set reasons = [
    'malformed', 'batch_too_large', 'unknown_event_type', 'missing_field', 'invalid_field', 'payload_too_large', 'timestamp_out_of_range',
    'unknown_session', 'session_not_owned', 'question_not_in_session',
] -%}

with accounts as (
    select
        system,
        stream,
        extract_date,
        rows_read,
        rows_accepted + rows_rejected + rows_duplicate + rows_conflict + rows_erased as rows_accounted_for,
        rows_rejected,
        rejected_{{ reasons | join(' + rejected_') }} as rows_rejected_by_reason,
        rows_late,
        rows_accepted
    from {{ ref('event_ledger') }}
)

select *
from accounts
where
    rows_read != rows_accounted_for
    or rows_rejected != rows_rejected_by_reason
    or rows_late > rows_accepted
