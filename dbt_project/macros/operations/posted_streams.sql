{#
The models in which the rows of the streams are settled, for the books: each with its system, its streams, the columns that name a row
in a conflict, and whether its rows have an event date. `is_judged` models settle copies only; another one says which of the kept rows count.
#}
{% macro posted_streams() %}
    {{ return([
        {'system': 'study', 'streams': ['events'], 'model': 'base_study__events', 'identity': 'event_id', 'event_date': true},
        {'system': 'study', 'streams': ['topics'], 'model': 'base_study__topics', 'identity': 'topic_id'},
        {
            'system': 'study', 'streams': ['topic_prerequisites'], 'model': 'base_study__topic_prerequisites',
            'identity': 'topic_id, prerequisite_topic_id',
        },
        {'system': 'study', 'streams': ['questions'], 'model': 'base_study__questions', 'identity': 'question_id'},
        {
            'system': 'assessment', 'streams': ['events', 'batches'], 'model': 'base_assessment__events', 'identity': 'id', 'event_date': true,
            'is_judged': true,
        },
        {'system': 'assessment', 'streams': ['test_sessions'], 'model': 'base_assessment__test_sessions', 'identity': 'session_id'},
        {
            'system': 'assessment', 'streams': ['session_questions'], 'model': 'base_assessment__session_questions',
            'identity': 'session_id, question_id',
        },
        {'system': 'recommendation', 'streams': ['events'], 'model': 'base_recommendation__events', 'identity': 'event_key', 'event_date': true},
        {
            'system': 'collaboration', 'streams': ['events'], 'model': 'base_collaboration__events', 'identity': 'idempotency_key',
            'event_date': true,
        },
        {'system': 'textbook', 'streams': ['events'], 'model': 'base_textbook__events', 'identity': 'event_id', 'event_date': true},
    ]) }}
{% endmacro %}

{# The stream of a posted row: a column where a model holds more than one. #}
{% macro posted_stream(posted) %}
    {{ return('stream' if posted['streams'] | length > 1 else "'" ~ posted['streams'][0] ~ "'") }}
{% endmacro %}
