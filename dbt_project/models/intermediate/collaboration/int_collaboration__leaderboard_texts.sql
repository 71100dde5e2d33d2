{{ config(materialized='view') }}

select
    insights.metric,
    insights.position,
    insights.insight,
    messages.message
from {{ ref('leaderboard_insights') }} as insights
inner join {{ ref('leaderboard_messages') }} as messages on insights.metric = messages.metric
