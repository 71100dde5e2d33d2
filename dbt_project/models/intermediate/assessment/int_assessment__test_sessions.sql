{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_assessment__test_sessions': 'select session_id from changes',
            'base_assessment__session_questions': 'select session_id from changes',
        },
        'log': ['session_id'],
    }},
) }}

with test_sessions as (
    select
        session_id,
        user_id,
        created_at
    from {{ touched_rows(ref('stg_assessment__test_sessions')) }}
),

questions as (
    select
        session_id,
        count(*) as questions_in_session
    from {{ touched_rows(ref('stg_assessment__session_questions')) }}
    group by session_id
)

select
    test_sessions.session_id,
    test_sessions.user_id,
    test_sessions.created_at,
    coalesce(questions.questions_in_session, 0) as questions_in_session
from test_sessions
left join questions on test_sessions.session_id = questions.session_id
