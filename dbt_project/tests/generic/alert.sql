{#
No row of the last `alert_days` extract dates before as-of has a value above (or below) its threshold. It returns those that do. Older dates were
told of when they were new.
#}
{% test alert(model, column_name, above=none, below=none) %}
select *
from {{ model }}
where
    extract_date >= (select cast({{ days_after('cast(as_of as date)', '-' ~ var('alert_days')) }} as date) from {{ ref('int_as_of') }})
    and ({{ column_name }} {% if above is not none %}> {{ above }}{% else %}< {{ below }}{% endif %})
{% endtest %}
