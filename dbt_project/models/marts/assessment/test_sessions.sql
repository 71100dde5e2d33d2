{{ config(
    materialized='keyed',
    meta={'keyed': {
        'key': ['session_id'],
        'follows': {
            'base_assessment__judged_events': "select session_id, event_date from changes where verdict = 'accepted'",
            'int_assessment__test_sessions': 'select session_id, null as event_date from changes',
        },
        'also': "select session_id, null as event_date from self where status = 'in_progress'",
        'date': 'event_date',
        'dates_in': {'base_assessment__judged_events': ['session_id']},
        'as_of': true,
    }},
) }}

with sessions as (
    select *
    from {{ touched_rows(ref('int_assessment__test_sessions')) }}
),

events as (
    select *
    from {{ touched_rows(ref('int_assessment__events'), date='event_date') }}
),

as_of as (
    select as_of
    from {{ ref('int_as_of') }}
),

placed as (
    select
        *,
        row_number() over (partition by session_id order by event_ts asc, seq asc nulls last, event_id asc) as place
    from events
),

-- The session is over at its first submission or expiry.
firsts as (
    select
        session_id,
        min(case when event_type = 'SESSION_CREATED' then event_ts end) as created_at,
        min(case when event_type = 'SESSION_SUBMITTED' then event_ts end) as submitted_at,
        min(case when event_type = 'SESSION_EXPIRED' then event_ts end) as expired_at,
        min(case when event_type = 'REVIEW_OPENED' then event_ts end) as reviewed_at,
        min(case when event_type in ('SESSION_SUBMITTED', 'SESSION_EXPIRED') then place end) as over_place,
        max(event_ts) as last_event_at
    from placed
    group by session_id
),

overs as (
    select
        placed.session_id,
        placed.event_ts as over_at,
        case placed.event_type when 'SESSION_SUBMITTED' then 'submitted' else 'expired' end as status
    from placed
    inner join firsts on placed.session_id = firsts.session_id and placed.place = firsts.over_place
),

counts as (
    select
        session_id,
        {{ count_distinct_where('question_id', "event_type = 'QUESTION_VIEWED'") }} as questions_viewed,
        {{ count_distinct_where('question_id', "event_type in ('ANSWER_SELECTED', 'ANSWER_CHANGED')") }} as questions_answered,
        {{ count_where("event_type = 'ANSWER_CHANGED'") }} as answers_changed,
        {{ count_where("event_type = 'NAVIGATE_NEXT'") }} as navigate_next_count,
        {{ count_where("event_type = 'NAVIGATE_PREV'") }} as navigate_prev_count,
        {{ count_where("event_type = 'NAVIGATE_JUMP'") }} as navigate_jump_count,
        {{ count_where("event_type = 'PAUSE_BLUR' and state = 'blur'") }} as blur_count,
        coalesce(max(seq) - min(seq) - (count(distinct seq) - 1), 0) as missing_seq,
        {{ median_of(seconds(microseconds_between('client_ts', 'event_ts'))) }} as clock_skew_seconds
    from events
    group by session_id
),

toggles as (
    select
        session_id,
        question_id,
        count(*) as times
    from events
    where event_type = 'MARK_FOR_REVIEW_TOGGLED'
    group by session_id, question_id
),

marked as (
    select
        session_id,
        {{ count_where('times % 2 = 1') }} as marked_for_review
    from toggles
    group by session_id
),

absences as (
    {{ session_absences('placed') }}
),

blurred as (
    select
        session_id,
        sum({{ microseconds_between('left_at', 'back_at') }}) as blur_microseconds
    from absences
    group by session_id
),

joined as (
    select
        sessions.session_id,
        sessions.user_id,
        sessions.questions_in_session,
        coalesce(firsts.created_at, sessions.created_at) as created_at,
        firsts.submitted_at,
        firsts.expired_at,
        firsts.reviewed_at,
        firsts.last_event_at,
        overs.over_at,
        overs.status
    from sessions
    left join firsts on sessions.session_id = firsts.session_id
    left join overs on sessions.session_id = overs.session_id
)

select
    joined.session_id,
    joined.user_id,
    case
        when joined.status is not null then joined.status
        when
            as_of.as_of >= {{ minutes_after(
                'greatest(coalesce(joined.last_event_at, joined.created_at), coalesce(joined.created_at, joined.last_event_at))',
                '60 * ' ~ var('abandoned_after_hours')
            ) }} then 'abandoned'
        else 'in_progress'
    end as status,
    joined.created_at,
    joined.submitted_at,
    joined.expired_at,
    joined.reviewed_at,
    {{ seconds(microseconds_between('joined.created_at', 'joined.over_at')) }} as duration_seconds,
    joined.questions_in_session,
    coalesce(counts.questions_viewed, 0) as questions_viewed,
    coalesce(counts.questions_answered, 0) as questions_answered,
    coalesce(counts.answers_changed, 0) as answers_changed,
    coalesce(marked.marked_for_review, 0) as marked_for_review,
    coalesce(counts.navigate_next_count, 0) as navigate_next_count,
    coalesce(counts.navigate_prev_count, 0) as navigate_prev_count,
    coalesce(counts.navigate_jump_count, 0) as navigate_jump_count,
    coalesce(counts.blur_count, 0) as blur_count,
    {{ seconds('coalesce(blurred.blur_microseconds, 0)') }} as blur_seconds,
    coalesce(counts.missing_seq, 0) as missing_seq,
    counts.clock_skew_seconds,
    {{ ratio('coalesce(counts.questions_answered, 0)', 'joined.questions_in_session') }} as completion_rate
from joined
cross join as_of
left join counts on joined.session_id = counts.session_id
left join marked on joined.session_id = marked.session_id
left join blurred on joined.session_id = blurred.session_id
order by joined.created_at
