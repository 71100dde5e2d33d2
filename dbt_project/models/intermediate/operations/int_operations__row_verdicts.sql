{%- set follows = {'base_assessment__judged_events': "select 'assessment' as system, stream, extract_date from changes"} -%}
{%- for posted in posted_streams() -%}
    {%- do follows.update({
        posted['model']: "select '" ~ posted['system'] ~ "' as system, " ~ posted_stream(posted) ~ " as stream, extract_date from changes",
    }) -%}
{%- endfor -%}
{{ config(
    materialized='keyed',
    meta={'keyed': {'key': ['system', 'stream', 'extract_date'], 'follows': follows, 'date': 'extract_date'}},
) }}

with verdicts as (
    {%- for posted in posted_streams() %}
    select
        '{{ posted['system'] }}' as system,
        stream,
        extract_date,
        cast({{ 'event_date' if posted['event_date'] else 'null' }} as date) as event_date,
        case copy_status when 'kept' then 'accepted' else copy_status end as verdict
    from {{ touched_rows(ref(posted['model']), columns={'system': "'" ~ posted['system'] ~ "'"}, date='extract_date') }}
    {{- "
    where copy_status != 'kept'" if posted['is_judged'] }}

    union all
    {% endfor %}
    -- Events that are judged twice, as copies and then by reference rows, are counted where their verdict is.
    select
        'assessment' as system,
        stream,
        extract_date,
        event_date,
        verdict
    from {{ touched_rows(ref('base_assessment__judged_events'), columns={'system': "'assessment'"}, date='extract_date') }}
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
