{#
Copies of one row, over all dates and files, each with its number and status: the one that is first by (extract date, file name, line, index
in the batch) is kept; each other one is compared with it and is a duplicate or a conflict. `copies` is the SQL of the rows that
have arrived; to them come the copies that the model already has. `identity` are the columns that copies have in common; they lie in one `id_hash`.

Few rows have a copy, and the others need no order. The SQL stands in here three times, for a CTE would be kept whole.
#}
{% macro settled_copies(copies, identity) %}
    {%- set copies = copies ~ ' ' ~ union_with_kept_copies(['copy_number', 'copy_status']) -%}
    {%- set in_order = 'over (partition by ' ~ identity ~ ' order by extract_date, source_file, source_line, batch_index)' -%}
    with repeated as (
        select id_hash
        from ({{ copies }}) as copies
        group by id_hash
        having count(*) > 1
    )

    select
        copies.*,
        cast(1 as bigint) as copy_number,
        'kept' as copy_status
    from ({{ copies }}) as copies
    anti join repeated on copies.id_hash = repeated.id_hash

    union all

    select
        copies.*,
        cast(row_number() {{ in_order }} as bigint) as copy_number,
        case
            when row_number() {{ in_order }} = 1 then 'kept'
            when content_hash = first_value(content_hash) {{ in_order }} then 'duplicate'
            else 'conflict'
        end as copy_status
    from ({{ copies }}) as copies
    semi join repeated on copies.id_hash = repeated.id_hash
{% endmacro %}
