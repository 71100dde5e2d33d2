{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['topic_id', 'date'],
        'follows': {
            'base_study__events': "select topic_id, event_date as date from changes where copy_status = 'kept'",
            'int_study__ai_question_topics': 'select topic_id, event_date as date from changes',
            'question_attempts': 'select topic_id, date from changes',
        },
        'date': 'date',
    }},
) }}

with events as (
    select *
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where topic_id is not null
),

ai_questions as (
    select *
    from {{ touched_rows(ref('int_study__ai_question_topics'), columns={'date': 'read.event_date'}, date='event_date') }}
),

attempts as (
    select *
    from {{ touched_rows(ref('question_attempts'), date='date') }}
),

-- An AI question is an event on each of its topics, so that its own topic alone must not count it a second time.
topic_events as (
    select
        topic_id,
        event_date as date,
        user_id,
        case when event_type = 'material_read' then time_spent_seconds end as reading_seconds,
        0 as is_ai_question,
        case when event_type = 'topic_explored' then 1 else 0 end as is_exploration
    from events
    where event_type != 'ai_question_asked'

    union all

    select
        topic_id,
        event_date as date,
        user_id,
        null as reading_seconds,
        1 as is_ai_question,
        0 as is_exploration
    from ai_questions
),

by_event as (
    select
        topic_id,
        date,
        count(distinct user_id) as users,
        {{ sum_of_decimals('reading_seconds') }} as reading_seconds,
        {{ sum_of_integers('is_ai_question') }} as ai_questions,
        {{ sum_of_integers('is_exploration') }} as explorations
    from topic_events
    group by topic_id, date
),

by_attempt as (
    select
        topic_id,
        date,
        count(*) as questions_attempted,
        {{ count_where('is_correct') }} as questions_correct,
        {{ count_where('is_first_attempt') }} as first_attempts,
        {{ count_where('is_first_attempt and is_correct') }} as first_attempts_correct,
        {{ count_where('hint_used') }} as attempts_with_hint,
        {{ median_of('time_to_answer_seconds') }} as median_time_to_answer_seconds
    from attempts
    group by topic_id, date
)

select
    by_event.topic_id,
    by_event.date,
    by_event.users,
    coalesce(by_attempt.questions_attempted, 0) as questions_attempted,
    coalesce(by_attempt.questions_correct, 0) as questions_correct,
    {{ ratio('by_attempt.questions_correct', 'by_attempt.questions_attempted') }} as accuracy,
    {{ ratio('by_attempt.first_attempts_correct', 'by_attempt.first_attempts') }} as first_attempt_accuracy,
    by_attempt.median_time_to_answer_seconds,
    {{ ratio('by_attempt.attempts_with_hint', 'by_attempt.questions_attempted') }} as hint_rate,
    by_event.reading_seconds,
    by_event.ai_questions,
    by_event.explorations
from by_event
left join by_attempt on by_event.topic_id = by_attempt.topic_id and by_event.date = by_attempt.date
order by by_event.date
