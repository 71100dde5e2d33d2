{{ config(meta={'dagster': {'ref': {'name': 'event_ledger'}}}) }}

with staging as (
    {%- for posted in posted_streams() %}
    select
        '{{ posted['system'] }}' as system,
        {{ posted_stream(posted) }} as stream,
        extract_date,
        count(*) as rows_accepted
    from {{ ref(posted['model'].replace('base_', 'stg_')) }}
    group by all
    {{ 'union all' if not loop.last }}
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
