{# In how many days after its own an attempt's scope can end; `hours` is its window. #}
{% macro funnel_window_days(hours) %}cast({{ integer_divide(hours ~ ' + 23', 24) }} as integer){% endmacro %}

{# The same of the longest window that is declared, known in a keyed run: the number itself. #}
{% macro funnel_most_window_days(declared) %}
    {{ return(run_query('select coalesce(max(' ~ funnel_window_days('window_hours') ~ '), 0) from ' ~ declared).rows[0][0] if is_keyed_run() else 0) }}
{% endmacro %}

{#
The events of entities, each with the attempt in whose scope it lies. `events` names a CTE with rows of int_funnels__events.

  opened_at, attempt   the newest first step at or before the event; of several at one instant the one numbered last, so that the
                       others' scopes are empty. Null and 0 before the first one.
  is_in_scope          whether the event lies within the window of that attempt; its very end is in.

Partitions name the entity first: rows are compared to be sorted, and few have it in common.
#}
{% macro funnel_scopes(events) %}
    with opened as (
        select
            *,
            max(case when step = 1 then event_ts end) over so_far as opened_at,
            {{ count_where('step = 1') }} over so_far as attempt
        from {{ events }}
        window so_far as (partition by entity, funnel order by event_ts)
    )

    select
        *,
        coalesce(event_ts <= {{ minutes_after('opened_at', '60 * window_hours') }}, false) as is_in_scope
    from opened
{% endmacro %}
