{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['date'],
        'follows': {
            'base_study__events': "
                select event_date as date from changes where copy_status = 'kept' and event_type = 'ai_response_received'",
        },
        'date': 'date',
    }},
) }}

with responses as (
    select
        event_date as date,
        coalesce(model_used, 'unknown') as model_used,
        tokens_used,
        response_time_ms
    from {{ touched_rows(ref('int_study__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where event_type = 'ai_response_received'
)

select
    date,
    model_used,
    count(*) as responses,
    {{ sum_of_integers('tokens_used') }} as tokens_used,
    {{ median_of('response_time_ms') }} as median_response_time_ms
from responses
group by date, model_used
order by date
