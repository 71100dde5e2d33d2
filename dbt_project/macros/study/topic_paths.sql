{#
CTEs `paths_2`, `paths_4`, `paths_8`, behind one that is named `paths_1`: pairs of topics, each topic with itself among them, so that a path of two
steps covers all shorter ones. They are squared, so a path of up to 8 times as many steps is found, whatever cycles there are. Three times and
no more in one model: an engine that puts a CTE's text in place of its name reads `paths_1` 8 times by then, and 64 times after three more.
#}
{% macro topic_paths() %}
    {%- for number in range(3) %}
    {%- set paths = 'paths_' ~ 2 ** number %}
    paths_{{ 2 ** (number + 1) }} as (
        select distinct
            first_half.topic_id,
            second_half.prerequisite_topic_id
        from {{ paths }} as first_half
        inner join {{ paths }} as second_half on first_half.prerequisite_topic_id = second_half.topic_id
    )
    {{- ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}
