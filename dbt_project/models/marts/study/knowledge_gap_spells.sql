{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {
            'topic_mastery_daily': 'select user_id from changes',
            'int_study__user_mastery': 'select user_id from changes',
            'int_study__topic_prerequisites': 'select self.user_id from self inner join changes on self.topic_id = changes.topic_id',
        },
        'as_of': true,
        'log': ['user_id'],
    }},
) }}

-- It is followed and not read, so dbt has to be told that it comes first.
-- depends_on: {{ ref('int_study__user_mastery') }}

with days as (
    select *
    from {{ touched_rows(ref('topic_mastery_daily')) }}
),

prerequisites as (
    select *
    from {{ ref('int_study__topic_prerequisites') }}
    where not is_cycle
),

as_of as (
    select {{ days_after('cast(as_of as date)', -1) }} as last_complete_day
    from {{ ref('int_as_of') }}
),

spans as (
    {{ mastery_gap_spans('days') }}
),

-- Those that have begun, up to the last day that is over.
seen as (
    select
        spans.*,
        as_of.last_complete_day,
        least(coalesce(spans.last_gap_on, as_of.last_complete_day), as_of.last_complete_day) as last_seen_on
    from spans
    cross join as_of
    where spans.first_gap_on <= as_of.last_complete_day
),

-- A state that makes a gap from the very day on which the one before it ended goes on with its spell.
opening as (
    select
        *,
        case
            when lag(last_seen_on) over (partition by user_id, topic_id order by date) = {{ days_after('first_gap_on', -1) }} then 0
            else 1
        end as opens
    from seen
),

numbered as (
    select
        *,
        sum(opens) over (partition by user_id, topic_id order by date rows between unbounded preceding and current row) as spell
    from opening
),

placed as (
    select
        *,
        min(first_gap_on) over (partition by user_id, topic_id, spell) as opened_on,
        row_number() over (partition by user_id, topic_id, spell order by date desc) as place_from_end
    from numbered
),

-- Each with the state of its last day.
spells as (
    select
        *,
        last_seen_on = last_complete_day as is_open
    from placed
    where place_from_end = 1
),

blocked as (
    select
        spells.user_id,
        spells.topic_id,
        spells.opened_on,
        blocking.topic_id as blocking_topic_id,
        row_number() over (
            partition by spells.user_id, spells.topic_id, spells.opened_on order by blocking.opened_on, blocking.topic_id
        ) as place
    from spells
    inner join prerequisites on spells.topic_id = prerequisites.topic_id and prerequisites.is_direct
    inner join spells as blocking
        on
            spells.user_id = blocking.user_id
            and prerequisites.prerequisite_topic_id = blocking.topic_id
            and spells.last_seen_on between blocking.opened_on and blocking.last_seen_on
),

open_prerequisites as (
    select
        spells.user_id,
        spells.topic_id,
        count(*) as open_prerequisite_gaps
    from spells
    inner join prerequisites on spells.topic_id = prerequisites.topic_id
    inner join spells as earlier on spells.user_id = earlier.user_id and prerequisites.prerequisite_topic_id = earlier.topic_id
    where spells.is_open and earlier.is_open
    group by spells.user_id, spells.topic_id
)

select
    spells.user_id,
    spells.topic_id,
    spells.opened_on,
    case when not spells.is_open then {{ days_after('spells.last_seen_on', 1) }} end as resolved_on,
    case
        when blocked.blocking_topic_id is not null then 'blocked'
        when spells.mastered_until is not null then 'forgotten'
        when
            spells.reached_mastered_at is null
            and spells.questions_attempted >= {{ var('wheel_spinning_attempts') }}
            and spells.practice_days >= {{ var('wheel_spinning_days') }}
            then 'wheel_spinning'
        else 'struggling'
    end as gap_type,
    blocked.blocking_topic_id,
    case when spells.is_open then coalesce(open_prerequisites.open_prerequisite_gaps, 0) end as open_prerequisite_gaps,
    spells.evidence,
    spells.last_practiced_at,
    spells.log_odds_at_practice,
    spells.log_odds_per_log_day,
    spells.fading_days
from spells
left join blocked
    on
        spells.user_id = blocked.user_id
        and spells.topic_id = blocked.topic_id
        and spells.opened_on = blocked.opened_on
        and blocked.place = 1
left join open_prerequisites on spells.user_id = open_prerequisites.user_id and spells.topic_id = open_prerequisites.topic_id
order by opened_on
