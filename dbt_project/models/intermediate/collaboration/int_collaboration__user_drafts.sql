{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['draft_id'],
        'follows': {
            'int_collaboration__user_draft_days': 'select draft_id, event_date from changes',
            'int_collaboration__holds': 'select draft_id, null as event_date from changes',
        },
        'date': 'event_date',
        'dates_in': {'int_collaboration__user_draft_days': ['draft_id']},
        'log': ['user_id', 'draft_id'],
    }},
) }}

with days as (
    select *
    from {{ touched_rows(ref('int_collaboration__user_draft_days'), date='event_date') }}
),

holds as (
    select *
    from {{ touched_rows(ref('int_collaboration__holds'), date='event_date') }}
),

by_day as (
    select
        user_id,
        draft_id,
        {{ sum_of_integers('drafts_created') }} as drafts_created,
        {{ sum_of_integers('views') }} as views,
        {{ sum_of_integers('shares') }} as shares,
        {{ sum_of_integers('segments') }} as segments,
        {{ sum_of_integers('rings_received') }} as rings_received,
        min(first_created_at) as first_created_at,
        min_by(first_created_event_id, first_created_at) as first_created_event_id,
        min(first_segment_at) as first_segment_at,
        min(first_published_at) as first_published_at,
        max(last_activity_at) as last_activity_at
    from days
    group by user_id, draft_id
),

by_hold as (
    select
        user_id,
        draft_id,
        count(ended_at) as closed_holds,
        {{ sum_of_integers('held_microseconds') }} as closed_hold_microseconds,
        -- One at most: what opens a second one starts the first anew.
        max(case when ended_at is null then started_at end) as open_hold_since
    from holds
    group by user_id, draft_id
)

select
    by_day.user_id,
    by_day.draft_id,
    by_day.drafts_created,
    by_day.views,
    by_day.shares,
    by_day.segments,
    by_day.rings_received,
    by_day.first_created_at,
    by_day.first_created_event_id,
    by_day.first_segment_at,
    by_day.first_published_at,
    by_day.last_activity_at,
    coalesce(by_hold.closed_holds, 0) as closed_holds,
    coalesce(by_hold.closed_hold_microseconds, 0) as closed_hold_microseconds,
    by_hold.open_hold_since
from by_day
left join by_hold on by_day.user_id = by_hold.user_id and by_day.draft_id = by_hold.draft_id
