{%- set recommendation_of_attempt = funnel_entity_part('entity', 2) -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['recommendation_id', 'date'],
        'follows': {
            'base_recommendation__events': "select recommendation_id, event_date as date from changes where copy_status = 'kept'",
            'funnel_attempts': 'select ' ~ recommendation_of_attempt ~ " as recommendation_id, date from changes where funnel = 'recommendation'",
        },
        'date': 'date',
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_recommendation__events'), columns={'date': 'read.event_date'}, date='event_date') }}
),

-- The entity of this funnel is child_id|recommendation_id; a test of the seed holds it to that.
attempts as (
    select
        {{ recommendation_of_attempt }} as recommendation_id,
        date,
        steps_reached,
        outcome
    from {{ touched_rows(
        ref('funnel_attempts'),
        columns={'recommendation_id': funnel_entity_part('read.entity', 2)},
        date='date',
    ) }}
    where funnel = 'recommendation'
),

by_event as (
    select
        recommendation_id,
        event_date as date,
        {{ count_where("event_type = 'impression'") }} as impressions,
        {{ count_where("event_type = 'tap'") }} as taps,
        {{ count_distinct_where('child_id', "event_type = 'impression'") }} as children_shown,
        {{ count_distinct_where('child_id', "event_type = 'tap'") }} as children_tapped,
        {{ count_where('is_collapsed') }} as collapsed_events
    from events
    group by recommendation_id, event_date
),

by_attempt as (
    select
        recommendation_id,
        date,
        {{ count_where('steps_reached >= 2') }} as starts,
        {{ count_where("outcome = 'completed'") }} as completions,
        {{ count_where("outcome = 'abandoned'") }} as abandons
    from attempts
    group by recommendation_id, date
)

select
    by_event.recommendation_id,
    by_event.date,
    by_event.impressions,
    by_event.taps,
    by_event.children_shown,
    by_event.children_tapped,
    {{ ratio('by_event.taps', 'by_event.impressions') }} as click_through_rate,
    {{ ratio('by_event.children_tapped', 'by_event.children_shown') }} as child_tap_rate,
    coalesce(by_attempt.starts, 0) as starts,
    coalesce(by_attempt.completions, 0) as completions,
    coalesce(by_attempt.abandons, 0) as abandons,
    {{ ratio('by_attempt.starts', 'by_event.taps') }} as start_rate,
    {{ ratio('by_attempt.completions', 'by_attempt.starts') }} as completion_rate,
    by_event.collapsed_events
from by_event
left join by_attempt on by_event.recommendation_id = by_attempt.recommendation_id and by_event.date = by_attempt.date
order by by_event.date
