{%- set types = "('question_submit', 'ai_hint_requested', 'ai_explanation_requested')" -%}
{#- Attempts are numbered on from day to day: a change touches its learner's later days, too. -#}
{%- set days_from = '
    select self.user_id, self.event_date
    from self
    inner join (select user_id, min(event_date) as first_date from changes where event_type in ' ~ types ~ ' group by user_id) as touched
        on self.user_id = touched.user_id and self.event_date > touched.first_date' -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'event_date'],
        'follows': {
            'base_study__events': "
                select user_id, event_date from changes where copy_status = 'kept' and event_type in " ~ types ~ '
                union ' ~ days_from,
            'int_study__derived_sessions': '
                select user_id, event_date from changes where event_type in ' ~ types ~ '
                union ' ~ days_from,
        },
        'date': 'event_date',
        'log': ['user_id', 'question_id', 'event_date', 'cast(explained_attempt_at as date) as explained_date'],
    }},
) }}

{%- set columns = [
    'event_id', 'event_type', 'event_ts', 'event_date', 'user_id', 'session_id', 'question_id', 'topic_id', 'is_correct', 'time_to_answer_seconds',
    'confidence_level', 'selected_answer', 'correct_answer', 'hint_used',
] %}
{%- set columns_reported = ['reported_attempt_number', 'reported_is_first_attempt'] %}
{#- What is read of rows before: to read them whole takes twice as long. -#}
{%- set columns_of_order = ['event_id', 'event_type', 'event_ts', 'user_id', 'session_id', 'question_id'] %}

with own as (
    select
        {{ columns | join(',\n        ') }},
        attempt_number as reported_attempt_number,
        is_first_attempt as reported_is_first_attempt
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
    where event_type in {{ types }}
),

-- In a night, where a learner's attempts at a question stood before the first touched day: the newest one, and what was asked for since.
earlier as (
    select read.*
    from {{
        earlier_rows(by=['user_id'], date='event_date') if is_keyed_run()
        else '(select *, cast(0 as bigint) as attempts_so_far from own where false)'
    }} as read
    semi join own as other on {{ keyed_same(['user_id', 'question_id'], 'other') }}
),

placed as (
    select
        *,
        max(attempts_so_far) over (partition by user_id, question_id) as attempts
    from earlier
),

events as (
    select
        {{ (columns + columns_reported) | join(',\n        ') }},
        cast(0 as bigint) as attempts_at_start,
        event_type = 'question_submit' as is_counted
    from own

    union all

    select
        {%- for column in columns + columns_reported %}
        {{ column if column in columns_of_order else 'null as ' ~ column }},
        {%- endfor %}
        attempts as attempts_at_start,
        false as is_counted
    from placed
    where attempts_so_far = attempts
),

numbered as (
    select
        *,
        {{ 'max(attempts_at_start) over (partition by user_id, question_id) +' if is_keyed_run() }} {{ count_where('is_counted') }} over (
            partition by user_id, question_id order by event_ts, event_id rows between unbounded preceding and current row
        ) as attempts_so_far,
        max(case when event_type = 'question_submit' then event_ts end) over (
            partition by user_id, question_id order by event_ts, event_id rows between unbounded preceding and 1 preceding
        ) as previous_attempt_at
    from events
),

-- An attempt is helped by what was asked for in its session since the attempt before it,
hints as (
    select distinct
        user_id,
        question_id,
        session_id,
        attempts_so_far + 1 as attempt_number
    from numbered
    where event_type = 'ai_hint_requested'
),

-- and explained by what was asked for in its session behind it.
attempts as (
    select
        user_id,
        question_id,
        session_id,
        attempts_so_far as attempt_number
    from numbered
    where event_type = 'question_submit'
)

select
    {%- for column in columns + columns_reported %}
    numbered.{{ column }},
    {%- endfor %}
    numbered.attempts_so_far,
    case when numbered.event_type = 'question_submit' then numbered.previous_attempt_at end as previous_attempt_at,
    numbered.event_type = 'question_submit' and hints.attempt_number is not null as follows_hint,
    case
        when numbered.event_type = 'ai_explanation_requested' and attempts.attempt_number is not null then numbered.previous_attempt_at
    end as explained_attempt_at
from {{ touched_rows('numbered') }} as numbered
left join hints
    on
        numbered.user_id = hints.user_id
        and numbered.question_id = hints.question_id
        and numbered.session_id = hints.session_id
        and numbered.attempts_so_far = hints.attempt_number
left join attempts
    on
        numbered.user_id = attempts.user_id
        and numbered.question_id = attempts.question_id
        and numbered.session_id = attempts.session_id
        and numbered.attempts_so_far = attempts.attempt_number
order by numbered.event_date
