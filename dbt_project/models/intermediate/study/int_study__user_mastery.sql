{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['user_id'],
        'follows': {'topic_mastery_daily': 'select user_id from changes'},
        'also': 'select self.user_id from self cross join as_of where self.changes_at <= as_of.as_of',
        'as_of': true,
        'log': ['user_id'],
    }},
) }}

with days as (
    select *
    from {{ touched_rows(ref('topic_mastery_daily')) }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

spans as (
    {{ mastery_gap_spans('days') }}
),

newest as (
    select
        user_id,
        mastered_until
    from days
    where is_newest and evidence >= {{ var('min_evidence') }}
),

-- A day is seen as a gap once it is over, and a spell as resolved once the first day without a gap is.
changes as (
    select
        user_id,
        {{ start_of(days_after('first_gap_on', 1)) }} as changes_at
    from spans
    union all
    select
        user_id,
        {{ start_of(days_after('last_gap_on', 2)) }} as changes_at
    from spans
    union all
    select
        user_id,
        mastered_until as changes_at
    from newest
),

nearest_changes as (
    select
        changes.user_id,
        max(case when changes.changes_at <= as_of.as_of then changes.changes_at end) as changed_at,
        min(case when changes.changes_at > as_of.as_of then changes.changes_at end) as changes_at
    from changes
    cross join as_of
    group by changes.user_id
),

mastered as (
    select
        newest.user_id,
        count(*) as topics_mastered
    from newest
    cross join as_of
    where as_of.as_of < newest.mastered_until
    group by newest.user_id
),

users as (
    select distinct user_id
    from days
)

select
    users.user_id,
    coalesce(mastered.topics_mastered, 0) as topics_mastered,
    nearest_changes.changed_at,
    nearest_changes.changes_at
from users
left join mastered on users.user_id = mastered.user_id
left join nearest_changes on users.user_id = nearest_changes.user_id
