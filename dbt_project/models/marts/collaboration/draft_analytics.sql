{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['draft_id'],
        'follows': {'int_collaboration__user_drafts': 'select draft_id from changes'},
    }},
) }}

with user_drafts as (
    select *
    from {{ touched_rows(ref('int_collaboration__user_drafts')) }}
),

placed as (
    select
        *,
        row_number() over (
            partition by draft_id
            order by first_created_at asc nulls last, first_created_event_id asc nulls last, user_id asc
        ) as place
    from user_drafts
)

select
    draft_id,
    min(first_created_at) as created_at,
    max(case when place = 1 and first_created_at is not null then user_id end) as creator_id,
    {{ sum_of_integers('views') }} as views,
    {{ count_where('views > 0') }} as unique_viewers,
    {{ sum_of_integers('shares') }} as shares,
    {{ sum_of_integers('segments') }} as segments,
    {{ count_where('segments > 0') }} as contributors,
    {{ sum_of_integers('rings_received') }} as ring_passes,
    max(last_activity_at) as last_activity_at,
    min(first_published_at) as published_at
from placed
group by draft_id
