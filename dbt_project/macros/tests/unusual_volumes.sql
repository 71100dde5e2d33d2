{#
The extract dates before as-of for which alerts stand, and on which far more or far fewer rows came than is usual: each with what was usual.
Usual is the median of the same weekday in the weeks before, of which enough were delivered. A date that comes after, or another weekday, is
no part of it. `volumes` names a CTE with a row a key and extract date: the columns `keys`, `extract_date` and `row_count`, 0 where none came.

The vars `alert_volume_...` say how far is too far, and why.
#}
{% macro unusual_volumes(volumes, keys) %}
{%- set measured -%}
    {%- for column in keys + ['extract_date', 'row_count', 'usual_rows', 'weeks'] -%}
    usual.{{ column }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endset %}
select *
from (
    select
        {{ measured }},
        min(earlier.row_count) as fewest_rows,
        {{ volume_distance('usual.row_count', 'usual.usual_rows') }} as distance,
        {{ median_of(volume_distance('earlier.row_count', 'usual.usual_rows')) }} as usual_distance
    from (
        select
            {%- for key in keys %}
            judged.{{ key }},
            {%- endfor %}
            judged.extract_date,
            judged.row_count,
            {{ median_of('earlier.row_count') }} as usual_rows,
            count(*) as weeks
        from {{ volumes }} as judged
        inner join {{ volumes }} as earlier
        on {{ same_weekday_before('judged', 'earlier', keys) }}
        where {{ is_alertable('judged.extract_date') }}
        group by judged.{{ keys | join(', judged.') }}, judged.extract_date, judged.row_count
        having count(*) >= {{ var('alert_volume_fewest_weeks') }}
    ) as usual
    inner join {{ volumes }} as earlier
    on {{ same_weekday_before('usual', 'earlier', keys) }}
    group by {{ measured }}
) as measured
where
    distance > greatest({{ var('alert_volume_distance') }}, {{ var('alert_volume_scatter') }} * usual_distance)
    or (row_count = 0 and fewest_rows >= {{ var('alert_volume_never_none') }})
{% endmacro %}

{# How many times as many rows as usual, or as few, less one: 0 where they are the same, 1 where there are twice as many, or half. #}
{% macro volume_distance(row_count, usual_rows) -%}
    {%- set some = var('alert_volume_some_rows') -%}
    {{ ratio('greatest(' ~ row_count ~ ', ' ~ usual_rows ~ ') + ' ~ some, 'least(' ~ row_count ~ ', ' ~ usual_rows ~ ') + ' ~ some) }} - 1
{%- endmacro %}

{# Whether a row of `earlier` is of the same key and weekday as one of `judged`, in one of the weeks before. #}
{% macro same_weekday_before(judged, earlier, keys) -%}
    {%- for key in keys %}
            {{ judged }}.{{ key }} = {{ earlier }}.{{ key }} and
    {%- endfor %}
            {{ judged }}.extract_date > {{ earlier }}.extract_date
            and {{ earlier }}.extract_date >= {{ days_after(judged ~ '.extract_date', '-7 * ' ~ var('alert_volume_weeks')) }}
            and {{ microseconds_between(start_of(earlier ~ '.extract_date'), start_of(judged ~ '.extract_date')) }} % 604800000000 = 0
{%- endmacro %}
