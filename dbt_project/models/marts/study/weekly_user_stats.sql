{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id', 'week_start'],
        'follows': {
            'base_study__events': 'select user_id, ' ~ week_of('event_date') ~ " as week_start from changes where copy_status = 'kept'",
            'daily_user_stats': '
                select user_id, ' ~ week_of('date') ~ ' as week_start from changes
                union all
                select user_id, ' ~ days_after(week_of('date'), 7) ~ ' as week_start from changes',
        },
        'also': '
            select self.user_id, self.week_start from self cross join as_of
            where not self.is_complete_week and ' ~ start_of(days_after('self.week_start', 7)) ~ ' <= as_of.as_of',
        'date': 'week_start',
        'as_of': true,
    }},
) }}

with days as (
    select
        *,
        {{ week_of('date') }} as week_start
    from {{ touched_rows(ref('daily_user_stats'), columns={'week_start': week_of('read.date')}, date='date', days=range(7)) }}
),

days_before as (
    select
        *,
        {{ days_after(week_of('date'), 7) }} as week_start
    from {{ touched_rows(
        ref('daily_user_stats'), columns={'week_start': days_after(week_of('read.date'), 7)}, date='date', days=range(-7, 0)
    ) }}
),

events as (
    select
        *,
        {{ week_of('event_date') }} as week_start
    from {{ touched_rows(ref('int_study__events'), columns={'week_start': week_of('read.event_date')}, date='event_date', days=range(7)) }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

by_day as (
    select
        user_id,
        week_start,
        cast(sum(sessions_started) as bigint) as sessions_started,
        {{ sum_of_decimals('active_seconds') }} as active_seconds,
        {{ sum_of_decimals('reading_seconds') }} as reading_seconds,
        cast(sum(questions_attempted) as bigint) as questions_attempted,
        cast(sum(questions_correct) as bigint) as questions_correct,
        {{ ratio('sum(questions_correct)', 'sum(questions_attempted)') }} as accuracy,
        cast(sum(first_attempts) as bigint) as first_attempts,
        cast(sum(ai_interactions) as bigint) as ai_interactions,
        cast(sum(hints_requested) as bigint) as hints_requested,
        cast(sum(quizzes_completed) as bigint) as quizzes_completed,
        cast(sum(searches) as bigint) as searches,
        {{ sum_of_integers('xp_earned') }} as xp_earned,
        cast(sum(achievements_unlocked) as bigint) as achievements_unlocked,
        {{ count_where('is_active_day') }} as active_days
    from days
    group by user_id, week_start
),

-- A material of Monday and Tuesday is one of the week: distinct counts do not add up.
by_event as (
    select
        user_id,
        week_start,
        {{ count_distinct_where('material_id', "event_type in ('material_open', 'material_read')") }} as materials_viewed,
        {{ count_distinct_where('material_id', 'completes_material') }} as materials_completed,
        {{ count_distinct_where('chunk_id', "event_type = 'material_read'") }} as chunks_read,
        {{ count_distinct_where('topic_id', 'is_learning_event') }} as topics_studied
    from events
    group by user_id, week_start
),

-- The row of the week before, as far as it is compared.
week_before as (
    select
        user_id,
        week_start,
        {{ sum_of_decimals('active_seconds') }} as active_seconds,
        cast(sum(questions_attempted) as bigint) as questions_attempted,
        {{ ratio('sum(questions_correct)', 'sum(questions_attempted)') }} as accuracy
    from days_before
    group by user_id, week_start
),

weeks as (
    select
        by_day.*,
        coalesce(as_of.as_of >= {{ start_of(days_after('by_day.week_start', 7)) }}, false) as is_complete_week
    from by_day
    cross join as_of
)

select
    weeks.user_id,
    weeks.week_start,
    weeks.sessions_started,
    weeks.active_seconds,
    coalesce(by_event.materials_viewed, 0) as materials_viewed,
    coalesce(by_event.materials_completed, 0) as materials_completed,
    coalesce(by_event.chunks_read, 0) as chunks_read,
    weeks.reading_seconds,
    weeks.questions_attempted,
    weeks.questions_correct,
    weeks.accuracy,
    weeks.first_attempts,
    coalesce(by_event.topics_studied, 0) as topics_studied,
    weeks.ai_interactions,
    weeks.hints_requested,
    weeks.quizzes_completed,
    weeks.searches,
    weeks.xp_earned,
    weeks.achievements_unlocked,
    weeks.active_days,
    weeks.is_complete_week,
    cast(case when weeks.is_complete_week then weeks.active_seconds - week_before.active_seconds end as decimal(18, 6))
        as active_seconds_change,
    case when weeks.is_complete_week then weeks.questions_attempted - week_before.questions_attempted end as questions_attempted_change,
    case when weeks.is_complete_week then round(weeks.accuracy - week_before.accuracy, 9) end as accuracy_change
from weeks
left join by_event on weeks.user_id = by_event.user_id and weeks.week_start = by_event.week_start
left join week_before on weeks.user_id = week_before.user_id and weeks.week_start = week_before.week_start
order by weeks.week_start
