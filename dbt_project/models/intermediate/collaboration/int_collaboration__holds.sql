{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['draft_id'],
        'follows': {
            'base_collaboration__events': "
                select draft_id, event_date from changes
                where copy_status = 'kept' and event_type in ('DraftCreated', 'RINGPassed')",
        },
        'date': 'event_date',
        'dates_in': {'int_collaboration__user_draft_days': ['draft_id']},
        'log': ['draft_id'],
    }},
) }}

-- The dates of a draft are looked up there.
-- depends_on: {{ ref('int_collaboration__user_draft_days') }}

with participations as (
    select *
    from {{ touched_rows(ref('int_collaboration__participations'), date='event_date') }}
    where role in ('creator', 'passer', 'receiver')
),

passes_to_oneself as (
    select event_id
    from participations
    where event_type = 'RINGPassed'
    group by event_id
    having min(user_id) = max(user_id)
),

-- What opens and what closes a hold, for each user of each draft. A pass to oneself does neither.
moves as (
    select *
    from participations
    anti join passes_to_oneself using (event_id)
),

followed as (
    select
        draft_id,
        user_id,
        event_id,
        event_ts,
        event_date,
        role,
        lead(role) over in_time as next_role,
        lead(event_ts) over in_time as next_at
    from moves
    window in_time as (partition by draft_id, user_id order by event_ts, event_id)
)

-- Receiving the ring while holding it starts the hold anew: the earlier start is none.
select
    event_id as opened_event_id,
    draft_id,
    user_id,
    event_ts as started_at,
    event_date,
    next_at as ended_at,
    {{ microseconds_between('event_ts', 'next_at') }} as held_microseconds
from followed
where role != 'passer' and (next_role is null or next_role = 'passer')
order by event_date
