{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_study__events': "select session_id, event_date from changes where copy_status = 'kept' and event_type not like 'streak%'",
            'int_study__derived_sessions': 'select session_id, event_date from changes',
            'int_study__session_days': 'select session_id, event_date from changes',
        },
        'also': 'select session_id, null as event_date from self where is_active',
        'date': 'event_date',
        'dates_in': {'int_study__session_days': ['session_id']},
        'as_of': true,
        'log': ['session_id', 'user_id'],
    }},
) }}

{%- set reported = [
    'reported_duration_seconds', 'reported_active_seconds', 'reported_materials_viewed', 'reported_questions_attempted', 'reported_xp_earned',
] %}

with events as (
    select *
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
),

session_days as (
    select *
    from {{ touched_rows(ref('int_study__session_days'), date='event_date') }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

timeline as (
    {{ session_timeline('events') }}
),

active as (
    select
        session_id,
        sum(active_microseconds) as active_microseconds
    from session_days
    group by session_id
),

-- What the order of the events tells.
in_order as (
    select
        session_id,
        is_derived,
        max(case when position = 1 then user_id end) as user_id,
        min(event_ts) as started_at,
        max(explicit_end_at) as explicit_end_at,
        max(case when not is_late_end then event_ts end) as last_present_at,
        count(distinct user_id) as users,
        count(*) as events
    from timeline
    group by session_id, is_derived
),

counts as (
    select
        session_id,
        {{ count_where("event_type = 'session_pause'") }} as pause_count,
        {{ count_distinct_where('material_id', "event_type in ('material_open', 'material_read')") }} as materials_viewed,
        {{ count_distinct_where('material_id', 'completes_material') }} as materials_completed,
        {{ count_distinct_where('chunk_id', "event_type = 'material_read'") }} as chunks_read,
        {{ count_where("event_type = 'question_submit'") }} as questions_attempted,
        {{ count_where("event_type = 'question_submit' and is_correct") }} as questions_correct,
        {{ count_where("event_type = 'ai_question_asked'") }} as ai_interactions,
        {{ sum_of_integers("case when event_type = 'xp_earned' then xp_amount end") }} as xp_earned,
        {{ count_where("event_type = 'achievement_unlocked'") }} as achievements_unlocked,
        {{ count_where("event_type = 'search_performed'") }} as searches
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
    group by session_id
),

ended as (
    select
        in_order.*,
        case
            when in_order.explicit_end_at is not null then 'explicit'
            when as_of.as_of > {{ minutes_after('in_order.last_present_at', var('inactivity_minutes')) }} then 'timeout'
            else 'active'
        end as end_reason
    from in_order
    cross join as_of
),

spans as (
    select
        *,
        case end_reason when 'explicit' then explicit_end_at when 'timeout' then last_present_at end as ended_at
    from ended
),

after_end as (
    select
        spans.session_id,
        {{ count_where('timeline.event_ts > spans.ended_at') }} as events
    from spans
    inner join timeline on spans.session_id = timeline.session_id
    group by spans.session_id
),

-- What single events of the session say: the first of its session_starts that says it, and its last session_end.
statement_events as (
    select
        session_id,
        event_type,
        device_type,
        timezone,
        {{ reported | join(',\n        ') }},
        row_number() over (partition by session_id, event_type, device_type is null order by event_ts, event_id) as device_place,
        row_number() over (partition by session_id, event_type, timezone is null order by event_ts, event_id) as timezone_place,
        row_number() over (partition by session_id, event_type order by event_ts desc, event_id desc) as place_from_end
    from {{ touched_rows(ref('int_study__session_events'), date='event_date') }}
    where event_type in ('session_start', 'session_end')
),

statements as (
    select
        session_id,
        {%- for name in reported %}
        max(case when event_type = 'session_end' and place_from_end = 1 then {{ name }} end) as {{ name }},
        {%- endfor %}
        max(case when event_type = 'session_start' and device_place = 1 then device_type end) as device_type,
        max(case when event_type = 'session_start' and timezone_place = 1 then timezone end) as timezone
    from statement_events
    group by session_id
)

select
    spans.session_id,
    spans.user_id,
    spans.is_derived,
    spans.started_at,
    spans.ended_at,
    spans.end_reason,
    spans.end_reason = 'active' as is_active,
    spans.last_present_at,
    {{ seconds(microseconds_between('spans.started_at', 'spans.ended_at')) }} as duration_seconds,
    {{ seconds('active.active_microseconds') }} as active_seconds,
    counts.pause_count,
    counts.materials_viewed,
    counts.materials_completed,
    counts.chunks_read,
    counts.questions_attempted,
    counts.questions_correct,
    counts.ai_interactions,
    counts.xp_earned,
    counts.achievements_unlocked,
    counts.searches,
    statements.device_type,
    statements.timezone,
    spans.events,
    after_end.events as events_after_end,
    spans.users,
    statements.{{ reported | join(',\n    statements.') }}
from spans
inner join counts on spans.session_id = counts.session_id
inner join after_end on spans.session_id = after_end.session_id
left join statements on spans.session_id = statements.session_id
inner join active on spans.session_id = active.session_id
order by spans.started_at
