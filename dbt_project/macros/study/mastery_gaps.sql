{#
The days on which a learner's state at a topic makes it a gap, a row for each state that ever does. `days` names a CTE with rows of
topic_mastery_daily, all of a pair. Nothing here depends on as-of.

  practice_days   on how many dates the topic was practised so far
  first_gap_on    the first day at whose end the topic is a gap; the end of a day is told by an instant that is cut to whole minutes
  last_gap_on     the last one: the day before it is practised again; null where it is not
#}
{% macro mastery_gap_spans(days) %}
    with dated as (
        select
            *,
            row_number() over (partition by user_id, topic_id order by date) as practice_days,
            {{ days_after('lead(date) over (partition by user_id, topic_id order by date)', -1) }} as last_gap_on,
            -- Whoever has mastered a topic is held to that.
            case when reached_mastered_at is not null then mastered_until else proficient_until end as holds_until
        from {{ days }}
    ),

    judged as (
        select
            *,
            greatest(date, coalesce(cast({{ minutes_after('holds_until', -1) }} as date), date)) as first_gap_on
        from dated
        where evidence >= {{ var('min_evidence') }}
    )

    select *
    from judged
    where last_gap_on is null or first_gap_on <= last_gap_on
{% endmacro %}
