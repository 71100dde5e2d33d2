{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['event_id'],
        'follows': {
            'base_study__events': "select event_id, event_date from changes where copy_status = 'kept' and event_type = 'ai_question_asked'",
        },
        'date': 'event_date',
        'dates_in': {},
        'log': ['topic_id', 'event_date'],
    }},
) }}

with questions as (
    select *
    from {{ touched_rows(ref('int_study__events'), date='event_date') }}
    where event_type = 'ai_question_asked'
),

topics as (
    select
        event_id,
        user_id,
        event_date,
        topic_id
    from questions
    where topic_id is not null

    union

    select
        event_id,
        user_id,
        event_date,
        {{ element_of('detected_topics') }} as topic_id
    from questions
)

select
    event_id,
    user_id,
    topic_id,
    event_date
from topics
order by event_date
