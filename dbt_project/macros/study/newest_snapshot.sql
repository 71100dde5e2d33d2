{# The rows of a snapshot's newest extract date: it wins as a whole. For a model whose key is the column `snapshot`, which is `newest`. #}
{% macro newest_snapshot(relation) %}
    {%- set rows = touched_rows(relation, columns={'snapshot': "'newest'"}) -%}
    (
        select dated.* from {{ rows }} as dated
        inner join (select max(extract_date) as extract_date from {{ rows }} as dates) as newest on dated.extract_date = newest.extract_date
    )
{%- endmacro %}
