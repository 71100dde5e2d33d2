{{ config(meta={
    'dagster': {'ref': {'name': 'funnel_attempts'}},
    'keyed': {
        'key': ['funnel', 'date'],
        'follows': {
            'int_funnels__events': 'select funnel, event_date as date from changes',
            'funnel_attempts': 'select funnel, date from changes',
        },
        'date': 'date',
    },
}) }}

{#- By date: a funnel as a whole changes every night. #}

with first_steps as (
    select
        funnel,
        event_date as date,
        count(*) as attempts
    from {{ touched_rows(ref('int_funnels__events'), columns={'date': 'read.event_date'}, date='event_date') }}
    where step = 1
    group by funnel, event_date
),

funnel_attempts as (
    select
        funnel,
        date,
        count(*) as attempts
    from {{ touched_rows(ref('funnel_attempts'), date='date') }}
    group by funnel, date
)

{{ rows_that_disagree('funnel_attempts', 'first_steps', ['funnel', 'date'], ['attempts']) }}
