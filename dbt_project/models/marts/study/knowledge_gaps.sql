{{ config(materialized='view') }}

{%- set mastered = var('mastered_score') ~ 'e0' %}

with spells as (
    select
        *,
        resolved_on is null as is_open,
        {{ mastery_days('last_practiced_at', start_of('resolved_on')) }} as days_to_resolution
    from {{ ref('knowledge_gap_spells') }}
),

topic_mastery as (
    select *
    from {{ ref('topic_mastery') }}
),

scored as (
    select
        spells.user_id,
        spells.topic_id,
        spells.opened_on,
        spells.resolved_on,
        spells.is_open,
        spells.gap_type,
        spells.blocking_topic_id,
        spells.open_prerequisite_gaps,
        case when spells.is_open then topic_mastery.evidence else spells.evidence end as evidence,
        case
            when spells.is_open then topic_mastery.mastery_score
            else {{ mastery_score_at('spells.days_to_resolution') }}
        end as mastery_score
    from spells
    left join topic_mastery on spells.user_id = topic_mastery.user_id and spells.topic_id = topic_mastery.topic_id
),

weighed as (
    select
        *,
        round(greatest({{ mastered }} - mastery_score, 0) / {{ mastered }}, 9) as severity
    from scored
)

select
    user_id,
    topic_id,
    opened_on,
    resolved_on,
    gap_type,
    blocking_topic_id,
    severity,
    case
        when is_open
            then
                cast(
                    row_number() over (
                        partition by user_id, is_open order by open_prerequisite_gaps asc, severity desc, topic_id asc
                    ) as bigint
                )
    end as priority,
    evidence,
    mastery_score
from weighed
