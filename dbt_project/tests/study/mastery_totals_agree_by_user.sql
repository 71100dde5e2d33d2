{{ config(meta={'dagster': {'ref': {'name': 'user_learning_metrics'}}}) }}

with user_learning_metrics as (
    select
        user_id,
        topics_mastered,
        open_gaps
    from {{ ref('user_learning_metrics') }}
),

mastered as (
    select
        user_id,
        count(*) as topics_mastered
    from {{ ref('topic_mastery') }}
    where mastery_level = 'mastered'
    group by user_id
),

open_gaps as (
    select
        user_id,
        count(*) as open_gaps
    from {{ ref('knowledge_gaps') }}
    where resolved_on is null
    group by user_id
),

counted as (
    select
        coalesce(mastered.user_id, open_gaps.user_id) as user_id,
        coalesce(mastered.topics_mastered, 0) as topics_mastered,
        coalesce(open_gaps.open_gaps, 0) as open_gaps
    from mastered
    full outer join open_gaps on mastered.user_id = open_gaps.user_id
)

{{ rows_that_disagree('user_learning_metrics', 'counted', ['user_id'], ['topics_mastered', 'open_gaps']) }}
