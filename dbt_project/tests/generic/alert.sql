{#
No row of the last `alert_days` extract dates before as-of has a value above (or below) its threshold. It returns those that do. Older dates
were told of when they were new. Rows that nobody could attribute (`-` beside a system's sources) are left out: what cannot be read is always
rejected, and the stream's own check of rejections tells of it.
#}
{% test alert(model, column_name, above=none, below=none) %}
with telemetry as (
    select
        *,
        count(*) over (partition by system, extract_date) as sources
    from {{ model }}
)

select *
from telemetry
where
    {{ is_alertable('extract_date') }}
    and (source != '-' or sources = 1)
    and {{ column_name }} {% if above is not none %}> {{ above }}{% else %}< {{ below }}{% endif %}
{% endtest %}
