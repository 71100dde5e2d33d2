{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['question_id'],
        'follows': {
            'int_assessment__question_weeks': 'select question_id from changes',
            'int_assessment__visit_times': 'select question_id from changes',
        },
    }},
) }}

with weeks as (
    select *
    from {{ touched_rows(ref('int_assessment__question_weeks')) }}
),

visit_times as (
    select *
    from {{ touched_rows(ref('int_assessment__visit_times')) }}
),

totals as (
    select
        question_id,
        {{ sum_of_integers('sessions_viewed') }} as sessions_viewed,
        {{ sum_of_integers('sessions_answered') }} as sessions_answered,
        {{ sum_of_integers('sessions_changed') }} as sessions_changed,
        {{ sum_of_integers('sessions_marked') }} as sessions_marked,
        {{ sum_of_integers('sessions_submitted') }} as sessions_submitted,
        {{ sum_of_integers('sessions_skipped') }} as sessions_skipped
    from weeks
    group by question_id
),

medians as (
    {{ median_of_counts('visit_times', 'question_id', 'visible_seconds', 'visits') }}
)

select
    totals.question_id,
    totals.sessions_viewed,
    {{ ratio('totals.sessions_answered', 'totals.sessions_viewed') }} as answered_rate,
    {{ ratio('totals.sessions_changed', 'totals.sessions_answered') }} as change_rate,
    {{ ratio('totals.sessions_marked', 'totals.sessions_viewed') }} as review_mark_rate,
    medians.median_value as median_visible_seconds,
    {{ ratio('totals.sessions_skipped', 'totals.sessions_submitted') }} as skip_rate
from totals
left join medians on totals.question_id = medians.question_id
