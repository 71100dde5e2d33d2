{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['draft_id', 'event_date'],
        'follows': {'base_collaboration__events': "select draft_id, event_date from changes where copy_status = 'kept'"},
        'date': 'event_date',
        'log': ['draft_id', 'event_date'],
    }},
) }}

with participations as (
    select *
    from {{ touched_rows(ref('int_collaboration__participations'), date='event_date') }}
),

placed as (
    select
        *,
        row_number() over (partition by user_id, draft_id, event_date, role order by event_ts, event_id) as place
    from participations
)

select
    user_id,
    draft_id,
    event_date,
    {{ count_where("role = 'creator'") }} as drafts_created,
    {{ count_where("role = 'viewer'") }} as views,
    {{ count_where("role = 'shared_with'") }} as shares,
    {{ count_where("role = 'contributor'") }} as segments,
    {{ count_where("role = 'receiver'") }} as rings_received,
    min(case when role = 'creator' then event_ts end) as first_created_at,
    min(case when role = 'creator' and place = 1 then event_id end) as first_created_event_id,
    min(case when role = 'contributor' then event_ts end) as first_segment_at,
    min(case when role = 'publisher' then event_ts end) as first_published_at,
    max(event_ts) as last_activity_at
from placed
group by user_id, draft_id, event_date
order by event_date
