{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['system', 'stream', 'extract_date'],
        'follows': {
            'base_study__events': "select 'study' as system, 'events' as stream, extract_date from changes",
            'base_study__topics': "select 'study' as system, 'topics' as stream, extract_date from changes",
            'base_study__topic_prerequisites': "select 'study' as system, 'topic_prerequisites' as stream, extract_date from changes",
            'base_study__questions': "select 'study' as system, 'questions' as stream, extract_date from changes",
            'base_assessment__events': "select 'assessment' as system, stream, extract_date from changes",
            'base_assessment__judged_events': "select 'assessment' as system, stream, extract_date from changes",
            'base_assessment__test_sessions': "select 'assessment' as system, 'test_sessions' as stream, extract_date from changes",
            'base_assessment__session_questions': "select 'assessment' as system, 'session_questions' as stream, extract_date from changes",
            'base_collaboration__events': "select 'collaboration' as system, 'events' as stream, extract_date from changes",
            'base_textbook__events': "select 'textbook' as system, 'events' as stream, extract_date from changes",
        },
        'date': 'extract_date',
    }},
) }}

{#- Events that are judged twice, as copies and then by reference rows, are counted where their verdict is. -#}
{%- set books = [
    ['study', 'base_study__events', 'event_date', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['study', 'base_study__topics', 'null', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['study', 'base_study__topic_prerequisites', 'null', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['study', 'base_study__questions', 'null', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['assessment', 'base_assessment__events', 'event_date', 'copy_status', "copy_status != 'kept'"],
    ['assessment', 'base_assessment__judged_events', 'event_date', 'verdict', 'true'],
    ['assessment', 'base_assessment__test_sessions', 'null', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['assessment', 'base_assessment__session_questions', 'null', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['collaboration', 'base_collaboration__events', 'event_date', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
    ['textbook', 'base_textbook__events', 'event_date', "case copy_status when 'kept' then 'accepted' else copy_status end", 'true'],
] %}

with verdicts as (
    {%- for system, model, event_date, verdict, condition in books %}
    select
        '{{ system }}' as system,
        stream,
        extract_date,
        cast({{ event_date }} as date) as event_date,
        {{ verdict }} as verdict
    from {{ touched_rows(ref(model), columns={'system': "'" ~ system ~ "'"}, date='extract_date') }}
    where {{ condition }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select
    system,
    stream,
    extract_date,
    {{ count_where("verdict = 'accepted'") }} as rows_accepted,
    {{ count_where("verdict = 'duplicate'") }} as rows_duplicate,
    {{ count_where("verdict = 'conflict'") }} as rows_conflict,
    {{ count_where("verdict = 'unknown_session'") }} as rejected_unknown_session,
    {{ count_where("verdict = 'session_not_owned'") }} as rejected_session_not_owned,
    {{ count_where("verdict = 'question_not_in_session'") }} as rejected_question_not_in_session,
    {{ count_where("verdict = 'accepted' and event_date < extract_date") }} as rows_late
from verdicts
group by system, stream, extract_date
