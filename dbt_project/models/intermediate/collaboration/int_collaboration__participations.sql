{{ config(materialized='view') }}

select
    event_id,
    event_type,
    event_ts,
    event_date,
    draft_id,
    case event_type
        when 'DraftCreated' then creator_id
        when 'SegmentAdded' then contributor_id
        when 'RINGPassed' then from_user_id
        when 'DraftPublished' then publisher_id
        else user_id
    end as user_id,
    case event_type
        when 'DraftCreated' then 'creator'
        when 'DraftViewed' then 'viewer'
        when 'DraftShared' then 'shared_with'
        when 'SegmentAdded' then 'contributor'
        when 'RINGPassed' then 'passer'
        else 'publisher'
    end as role
from {{ ref('stg_collaboration__events') }}

union all

-- The one event that names two users.
select
    event_id,
    event_type,
    event_ts,
    event_date,
    draft_id,
    to_user_id as user_id,
    'receiver' as role
from {{ ref('stg_collaboration__events') }}
where event_type = 'RINGPassed'
