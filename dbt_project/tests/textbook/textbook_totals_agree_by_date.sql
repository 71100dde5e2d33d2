{{ config(meta={
    'dagster': {'ref': {'name': 'chapter_daily_stats'}},
    'keyed': {
        'key': ['date'],
        'follows': {
            'chapter_daily_stats': 'select date from changes',
            'base_textbook__events': 'select event_date as date from changes',
        },
        'date': 'date',
    },
}) }}

with staging as (
    select
        event_date as date,
        {{ count_where("event_type = 'chapter_visit'") }} as visits,
        {{ count_where("event_type = 'ai_block_used'") }} as ai_block_uses,
        {{ count_where("event_type = 'error_event' and chapter_id is not null") }} as errors
    from {{ touched_rows(ref('stg_textbook__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    group by event_date
),

chapter_daily_stats as (
    select
        date,
        sum(visits) as visits,
        sum(ai_block_uses) as ai_block_uses,
        sum(errors) as errors
    from {{ touched_rows(ref('chapter_daily_stats'), date='date') }}
    group by date
)

{{ rows_that_disagree('chapter_daily_stats', 'staging', ['date'], ['visits', 'ai_block_uses', 'errors']) }}
