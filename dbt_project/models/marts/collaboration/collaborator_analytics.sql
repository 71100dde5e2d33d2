{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {'int_collaboration__users': 'select user_id from changes'},
        'also': 'select user_id from self where open_holds > 0',
        'as_of': true,
    }},
) }}

with users as (
    select *
    from {{ touched_rows(ref('int_collaboration__users')) }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
)

select
    users.user_id,
    users.drafts_created,
    users.drafts_contributed,
    users.segments as segments_written,
    users.rings_received as rings_held,
    {{ ratio('users.closed_hold_microseconds', 'cast(users.closed_holds as double) * 60000000') }} as avg_hold_minutes,
    users.open_holds,
    case
        when users.open_holds > 0
            -- A hold that starts after as-of has not lasted yet.
            then {{ ratio('greatest(' ~ microseconds_between('users.oldest_open_hold_since', 'as_of.as_of') ~ ', 0)', '60000000') }}
    end as longest_open_hold_minutes,
    users.last_activity_at
from users
cross join as_of
