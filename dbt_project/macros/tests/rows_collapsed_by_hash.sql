{#
Files in which rows without an id collapsed: they say the same, so that they have one hash, and are one event. A row a file, with how many rows
it has more than events.
#}
{% macro rows_collapsed_by_hash(base_model) %}
with hashed as (
    select
        extract_date,
        source_file,
        event_id,
        count(*) as copies
    from {{ ref(base_model) }}
    where is_hashed
    group by extract_date, source_file, event_id
    having count(*) > 1
)

select
    extract_date,
    source_file,
    count(*) as events,
    sum(copies) - count(*) as rows_collapsed
from hashed
group by extract_date, source_file
{% endmacro %}
