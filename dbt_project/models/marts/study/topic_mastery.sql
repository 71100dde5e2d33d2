{{ config(materialized='view') }}

with newest as (
    select
        states.*,
        as_of.as_of,
        {{ mastery_days('states.last_practiced_at', 'as_of.as_of') }} as days_without_practice
    from {{ ref('topic_mastery_daily') }} as states
    cross join {{ ref('mart_as_of') }} as as_of
    where states.is_newest
)

select
    user_id,
    topic_id,
    {{ mastery_score_at('days_without_practice') }} as mastery_score,
    {{ mastery_low_at('days_without_practice') }} as mastery_low,
    {{ mastery_high_at('days_without_practice') }} as mastery_high,
    evidence,
    questions_attempted,
    questions_correct,
    {{ ratio('questions_correct', 'questions_attempted') }} as accuracy,
    last_practiced_at,
    {{ days('greatest(' ~ microseconds_between('last_practiced_at', 'as_of') ~ ', 0)') }} as days_since_practice,
    {{ mastery_recall_at('days_without_practice') }} as recall,
    {{ mastery_level_at('as_of') }} as mastery_level,
    reached_mastered_at,
    model_version
from newest
