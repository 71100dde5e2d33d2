{{ config(materialized='view') }}

select
    system,
    extract_date,
    source,
    {{ sum_of_integers('rows_read') }} as rows_read,
    {{ sum_of_integers('rows_rejected') }} as rows_rejected,
    {{ sum_of_integers("case when stream = 'batches' then rows_read end") }} as batch_events,
    {{ sum_of_integers('batches') }} as batches
from {{ ref('stg_operations__load_sources') }}
group by system, extract_date, source
