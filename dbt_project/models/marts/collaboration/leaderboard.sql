{{ config(materialized='table') }}

{#- Periods that look back some days of 24 hours; `all_time` looks back over everything. -#}
{%- set days_of = {'30d': 30, '7d': 7} -%}
{%- set measures = ['drafts_created', 'drafts_contributed', 'segments', 'rings_received'] -%}
{%- set points = [] -%}
{%- for measure in measures -%}{%- do points.append('totals.' ~ measure ~ ' * metrics.' ~ measure) -%}{%- endfor -%}

with as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

user_draft_days as (
    select *
    from {{ ref('int_collaboration__user_draft_days') }}
),

-- Apart from the days themselves: what is read once is read for the dates that it is joined with alone.
event_dates as (
    select distinct event_date
    from {{ ref('int_collaboration__user_draft_days') }}
),

participations as (
    select *
    from {{ ref('int_collaboration__participations') }}
),

user_drafts as (
    select *
    from {{ ref('int_collaboration__user_drafts') }}
),

users as (
    select *
    from {{ ref('int_collaboration__users') }}
),

weights as (
    select *
    from {{ ref('int_collaboration__leaderboard_weights') }}
),

texts as (
    select *
    from {{ ref('int_collaboration__leaderboard_texts') }}
),

periods as (
    {%- for period, days in days_of.items() %}
    select
        '{{ period }}' as period,
        {{ minutes_after('as_of', '-' ~ (days * 24 * 60)) }} as starts_at,
        as_of as ends_at
    from as_of

    union all
    {% endfor %}
    -- What all of time has too many: what comes after as-of.
    select
        'later' as period,
        as_of as starts_at,
        cast(null as timestamp) as ends_at
    from as_of
),

-- Dates that lie within a period are summed from what is stored, those at its edges from their events.
period_dates as (
    select
        periods.period,
        periods.starts_at,
        periods.ends_at,
        event_dates.event_date,
        {{ start_of('event_dates.event_date') }} >= periods.starts_at
        and (periods.ends_at is null or {{ start_of(days_after('event_dates.event_date', 1)) }} <= periods.ends_at) as is_whole
    from periods
    inner join event_dates
        on
            {{ start_of(days_after('event_dates.event_date', 1)) }} > periods.starts_at
            and (periods.ends_at is null or {{ start_of('event_dates.event_date') }} < periods.ends_at)
),

contributions as (
    select
        period_dates.period,
        user_draft_days.user_id,
        user_draft_days.draft_id,
        user_draft_days.drafts_created,
        user_draft_days.segments,
        user_draft_days.rings_received
    from user_draft_days
    inner join period_dates on user_draft_days.event_date = period_dates.event_date
    where period_dates.is_whole

    union all

    select
        period_dates.period,
        participations.user_id,
        participations.draft_id,
        case when participations.role = 'creator' then 1 else 0 end as drafts_created,
        case when participations.role = 'contributor' then 1 else 0 end as segments,
        case when participations.role = 'receiver' then 1 else 0 end as rings_received
    from participations
    inner join period_dates on participations.event_date = period_dates.event_date
    where
        not period_dates.is_whole
        and participations.event_ts >= period_dates.starts_at
        and (period_dates.ends_at is null or participations.event_ts < period_dates.ends_at)
),

by_period as (
    select
        period,
        user_id,
        sum(drafts_created) as drafts_created,
        {{ count_distinct_where('draft_id', 'segments > 0') }} as drafts_contributed,
        sum(segments) as segments,
        sum(rings_received) as rings_received
    from contributions
    group by period, user_id
),

first_contributions_later as (
    select
        user_drafts.user_id,
        count(*) as drafts_contributed
    from user_drafts
    inner join as_of on user_drafts.first_segment_at >= as_of.as_of
    group by user_drafts.user_id
),

totals as (
    select
        period,
        user_id,
        {{ measures | join(',\n        ') }}
    from by_period
    where period != 'later'

    union all

    -- Everything there is, less what comes after as-of.
    select
        'all_time' as period,
        users.user_id,
        users.drafts_created - coalesce(later.drafts_created, 0) as drafts_created,
        users.drafts_contributed - coalesce(first_contributions_later.drafts_contributed, 0) as drafts_contributed,
        users.segments - coalesce(later.segments, 0) as segments,
        users.rings_received - coalesce(later.rings_received, 0) as rings_received
    from users
    left join by_period as later on users.user_id = later.user_id and later.period = 'later'
    left join first_contributions_later on users.user_id = first_contributions_later.user_id
),

metrics as (
    select
        {%- for measure in measures %}
        {{ sum_of_integers("case when measure = '" ~ measure ~ "' then weight end") }} as {{ measure }},
        {%- endfor %}
        metric
    from weights
    group by metric
),

scores as (
    select
        metrics.metric,
        totals.period,
        totals.user_id,
        cast({{ points | join(' + ') }} as bigint) as score
    from totals
    cross join metrics
),

placed as (
    select
        *,
        cast(row_number() over (partition by metric, period order by score desc, user_id asc) as bigint) as position
    from scores
    where score > 0
)

select
    placed.metric,
    placed.period,
    placed.position,
    placed.user_id,
    placed.score,
    'user_' || substr(md5(placed.user_id), 1, 6) as display_name,
    texts.insight,
    texts.message
from placed
left join texts on placed.metric = texts.metric and placed.position = texts.position
where placed.position <= 10
order by placed.metric, placed.period, placed.position
