{{ config(materialized='table', pre_hook=settle_marts_on_disk()) }}

{%- set marts = [
    ref('ai_block_daily_stats'),
    ref('ai_coach_daily_stats'),
    ref('ai_model_daily_stats'),
    ref('assessment_question_stats'),
    ref('attempt_predictions'),
    ref('chapter_daily_stats'),
    ref('collaborator_analytics'),
    ref('daily_user_stats'),
    ref('draft_analytics'),
    ref('error_daily_stats'),
    ref('event_ledger'),
    ref('funnel_attempts'),
    ref('funnel_daily'),
    ref('knowledge_gap_spells'),
    ref('knowledge_gaps'),
    ref('leaderboard'),
    ref('mart_as_of'),
    ref('mastery_evaluation'),
    ref('material_interactions'),
    ref('question_attempts'),
    ref('question_stats'),
    ref('question_visits'),
    ref('recommendation_funnel'),
    ref('search_daily_stats'),
    ref('study_sessions'),
    ref('telemetry_quality_daily'),
    ref('test_sessions'),
    ref('topic_daily_stats'),
    ref('topic_mastery'),
    ref('topic_mastery_daily'),
    ref('topics'),
    ref('user_gamification'),
    ref('user_learning_metrics'),
    ref('weekly_user_stats'),
] %}

with as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

marts as (
    {%- for mart in marts %}
    {{ mart_facts(mart) }}
    union all
    {%- endfor %}
    -- The catalog is a published table too; what it says of itself would change it, so it says its rows only.
    select
        '{{ this.identifier }}' as mart,
        {{ marts | length + 1 }} as row_count,
        null as bytes,
        null as first_date,
        null as last_date,
        {{ built_now() }} as built_at,
        null as content_hash
)

select
    marts.mart,
    cast(marts.row_count as bigint) as rows,
    cast(marts.bytes as bigint) as bytes,
    as_of.as_of,
    marts.first_date,
    marts.last_date,
    marts.built_at,
    marts.content_hash
from marts
cross join as_of
order by mart
