{{ config(meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

{%- set streams = [
    ['study', 'topics'], ['study', 'topic_prerequisites'], ['study', 'questions'],
    ['assessment', 'test_sessions'], ['assessment', 'session_questions'],
    ['collaboration', 'events'],
    ['textbook', 'events'],
] %}

with staging as (
    select
        'study' as system,
        'events' as stream,
        extract_date,
        count(*) as rows_accepted
    from {{ ref('stg_study__events') }}
    group by extract_date

    union all

    select
        'assessment' as system,
        stream,
        extract_date,
        count(*) as rows_accepted
    from {{ ref('stg_assessment__events') }}
    group by stream, extract_date
    {%- for system, stream in streams %}

    union all

    select
        '{{ system }}' as system,
        '{{ stream }}' as stream,
        extract_date,
        count(*) as rows_accepted
    from {{ ref('stg_' ~ system ~ '__' ~ stream) }}
    group by extract_date
    {%- endfor %}
),

event_ledger as (
    select
        system,
        stream,
        extract_date,
        rows_accepted
    from {{ ref('event_ledger') }}
)

{{ rows_that_disagree('event_ledger', 'staging', ['system', 'stream', 'extract_date'], ['rows_accepted']) }}
