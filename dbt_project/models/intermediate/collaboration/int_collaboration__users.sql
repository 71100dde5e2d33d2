{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {'int_collaboration__user_drafts': 'select user_id from changes'},
        'log': ['user_id'],
    }},
) }}

with user_drafts as (
    select *
    from {{ touched_rows(ref('int_collaboration__user_drafts')) }}
)

select
    user_id,
    {{ sum_of_integers('drafts_created') }} as drafts_created,
    count(first_segment_at) as drafts_contributed,
    {{ sum_of_integers('segments') }} as segments,
    {{ sum_of_integers('rings_received') }} as rings_received,
    {{ sum_of_integers('closed_holds') }} as closed_holds,
    {{ sum_of_integers('closed_hold_microseconds') }} as closed_hold_microseconds,
    count(open_hold_since) as open_holds,
    min(open_hold_since) as oldest_open_hold_since,
    max(last_activity_at) as last_activity_at
from user_drafts
group by user_id
