{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['date', 'search_type'],
        'follows': {'int_study__searches': 'select event_date as date, search_type from changes'},
        'date': 'date',
    }},
) }}

with searches as (
    select *
    from {{ touched_rows(ref('int_study__searches'), columns={'date': 'read.event_date'}, date='event_date') }}
)

select
    event_date as date,
    search_type,
    count(*) as searches,
    {{ ratio(count_where('result_count = 0'), 'count(result_count)') }} as zero_result_rate,
    {{ ratio(count_where('is_clicked'), 'count(*)') }} as click_through_rate
from searches
group by event_date, search_type
order by date
