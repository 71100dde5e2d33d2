-- Daybook's marts of the study system as one script by hand: from a landing folder to the same tables, from scratch, with
-- nothing but DuckDB. It is the yardstick of the benchmark: no checks, no ledger, no contracts, no increments.
--
-- It expects clean extracts in an empty database, and these variables (baseline.py sets them):
--   format          'ndjson' or 'parquet': what the events come as
--   events          their files, in the order of extract dates and names
--   topics, topic_prerequisites, questions    the file of the newest snapshot of each, where there is one
--   model           a fitted model of topic mastery, such as mastery/shipped.json
--   as_of           the instant up to which the marts speak

set timezone = 'UTC';
create schema marts;

-- How numbers are made: null ratios, rounded to 9 places; exact seconds and days from whole microseconds.
create temp macro ratio(numerator, denominator) as round(numerator::double / nullif(denominator::double, 0), 9);
create temp macro median_of(number) as round(median(number::double), 9);
create temp macro seconds(microseconds) as (microseconds::decimal(18, 0) * 0.000001)::decimal(18, 6);
create temp macro days(microseconds) as (((2 * microseconds + 86400) // 172800)::decimal(18, 0) * 0.000001)::decimal(18, 6);
create temp macro microseconds_between(earlier, later) as epoch_us(later) - epoch_us(earlier);
create temp macro days_between(earlier, later) as greatest(microseconds_between(earlier, later), 0) / 86400e6;
create temp macro monday(date) as date_trunc('week', date)::date;

set variable as_of = getvariable('as_of')::timestamp;
set variable last_complete_day = getvariable('as_of')::date - 1;

create table marts.mart_as_of as
select getvariable('as_of') as as_of;


-- ## The events

create type event_properties as struct(
    device_type varchar, timezone varchar,
    duration_seconds decimal(18, 6), active_seconds decimal(18, 6), materials_viewed decimal(18, 6),
    questions_attempted decimal(18, 6), xp_earned decimal(18, 6),
    time_spent_seconds decimal(18, 6), scroll_depth_percent decimal(18, 6),
    is_correct boolean, time_to_answer_seconds decimal(18, 6), selected_answer varchar, correct_answer varchar,
    confidence_level bigint, is_first_attempt boolean, attempt_number bigint, hint_used boolean,
    quiz_id varchar,
    detected_topics uuid[], response_time_ms decimal(18, 6), model_used varchar, tokens_used bigint,
    xp_amount bigint, new_total_xp bigint, new_level bigint, total_xp bigint, achievement_id varchar,
    result_count bigint, search_type varchar
);

create temp macro ndjson_events(files) as table
    from read_json(
        files,
        format = 'newline_delimited',
        ignore_errors = true,
        columns = {
            event_id: 'uuid', event_type: 'varchar', event_ts: 'timestamptz', user_id: 'uuid', session_id: 'uuid', material_id: 'uuid',
            chunk_id: 'uuid', topic_id: 'uuid', question_id: 'uuid', properties: 'event_properties'
        }
    );

-- In Parquet, ids are text and properties text of JSON.
create temp macro parquet_events(files) as table
    select
        event_id::uuid as event_id,
        event_type,
        event_ts::timestamptz as event_ts,
        user_id::uuid as user_id,
        session_id::uuid as session_id,
        material_id::uuid as material_id,
        chunk_id::uuid as chunk_id,
        topic_id::uuid as topic_id,
        question_id::uuid as question_id,
        from_json(properties, '"event_properties"') as properties
    from read_parquet(files);

create table events as
select
    event_id,
    if(event_type = 'question_attempt', 'question_submit', event_type) as event_type,
    event_ts::timestamp as event_ts,
    event_ts::date as event_date,
    user_id,
    session_id,
    material_id,
    chunk_id,
    topic_id,
    question_id,
    properties.device_type,
    properties.timezone,
    properties.duration_seconds as reported_duration_seconds,
    properties.active_seconds as reported_active_seconds,
    properties.materials_viewed as reported_materials_viewed,
    properties.questions_attempted as reported_questions_attempted,
    properties.xp_earned as reported_xp_earned,
    properties.time_spent_seconds,
    properties.scroll_depth_percent,
    properties.is_correct,
    properties.time_to_answer_seconds,
    properties.selected_answer,
    properties.correct_answer,
    properties.confidence_level,
    properties.is_first_attempt as reported_is_first_attempt,
    properties.attempt_number as reported_attempt_number,
    properties.hint_used,
    properties.quiz_id,
    properties.detected_topics,
    properties.response_time_ms,
    properties.model_used,
    properties.tokens_used,
    properties.xp_amount,
    properties.new_total_xp,
    properties.new_level,
    properties.total_xp,
    properties.achievement_id,
    properties.result_count,
    properties.search_type,
    -- What a learner does to learn.
    not starts_with(event_type, 'session_')
    and not starts_with(event_type, 'streak_')
    and event_type not in ('xp_earned', 'level_up', 'achievement_unlocked') as is_learning_event,
    event_type = 'material_complete'
    or (event_type = 'material_read' and coalesce(properties.scroll_depth_percent >= 90, false)) as completes_material
from query('from ' || getvariable('format') || '_events(getvariable(''events''))');

-- Of an event that came more than once, the first copy stays; rows lie in the order of files and lines.
delete from events
where
    rowid in (
        with copied as (
            select
                event_id,
                min(rowid) as first_row
            from events
            group by event_id
            having count(*) > 1
        )

        select copies.rowid
        from events as copies
        inner join copied on copies.event_id = copied.event_id and copies.rowid > copied.first_row
    );


-- ## Sessions

-- The session of an event that states none: after a gap of more than 30 minutes a new one, named after its first event.
create temp table derived_sessions as
with gaps as (
    select
        event_id,
        user_id,
        event_ts,
        event_ts <= lag(event_ts) over (partition by user_id order by event_ts, event_id) + interval 30 minute as goes_on
    from events
    where session_id is null and not starts_with(event_type, 'streak_')
)

select
    event_id,
    last_value(if(goes_on, null, event_id) ignore nulls) over (
        partition by user_id order by event_ts, event_id rows between unbounded preceding and current row
    ) as session_id
from gaps;

create temp view session_events as
select
    *,
    false as is_derived
from events
where session_id is not null and not starts_with(event_type, 'streak_')
union all by name
select
    events.* replace (derived_sessions.session_id as session_id),
    true as is_derived
from events
inner join derived_sessions on events.event_id = derived_sessions.event_id;

-- Each event of a session in its place. A pause lasts until the next resume, start, end or learning event.
create temp table timeline as
select
    session_id,
    is_derived,
    user_id,
    event_id,
    event_ts,
    event_type,
    is_learning_event,
    row_number() over in_session = 1 as is_first,
    lead(event_ts) over in_session as next_at,
    -- Who ends a session more than 30 minutes after the event before was no longer there.
    event_type = 'session_end' and coalesce(event_ts > lag(event_ts) over in_session + interval 30 minute, false) as is_late_end,
    coalesce(
        last_value(
            case
                when event_type = 'session_pause' then true
                when is_learning_event or event_type in ('session_start', 'session_resume', 'session_end') then false
            end ignore nulls
        ) over (in_session rows between unbounded preceding and current row),
        false
    ) as is_paused
from session_events
window in_session as (partition by session_id order by event_ts, event_id);

create temp table session_ends as
with ends as (
    select
        session_id,
        any_value(is_derived) as is_derived,
        max(user_id) filter (is_first) as user_id,
        min(event_ts) as started_at,
        max(event_ts) filter (not is_late_end) as last_present_at,
        max(event_ts) filter (is_learning_event) as last_learning_at,
        arg_max({ ends_at: event_ts, is_late: is_late_end }, (event_ts, event_id)) filter (event_type = 'session_end') as last_end
    from timeline
    group by session_id
),

explicit as (
    select
        *,
        if(not last_end.is_late and (last_learning_at is null or last_learning_at <= last_end.ends_at), last_end.ends_at, null)
            as explicit_end_at
    from ends
)

select
    session_id,
    is_derived,
    user_id,
    started_at,
    last_present_at,
    explicit_end_at,
    case
        when explicit_end_at is not null then 'explicit'
        when getvariable('as_of') > last_present_at + interval 30 minute then 'timeout'
        else 'active'
    end as end_reason,
    case end_reason when 'explicit' then explicit_end_at when 'timeout' then last_present_at end as ended_at
from explicit;

-- What was active of a session on each of its days: gaps of up to 30 minutes, outside pauses, before the end.
create temp table session_days as
with gaps as (
    select
        timeline.session_id,
        session_ends.user_id,
        timeline.event_ts,
        timeline.next_at
    from timeline
    inner join session_ends on timeline.session_id = session_ends.session_id
    where
        timeline.next_at <= timeline.event_ts + interval 30 minute
        and timeline.event_type != 'session_end'
        and not timeline.is_paused
        and (session_ends.explicit_end_at is null or timeline.event_ts < session_ends.explicit_end_at)
),

parts as (
    select
        session_id,
        user_id,
        event_ts::date as date,
        microseconds_between(event_ts, least(next_at, (event_ts::date + 1)::timestamp)) as active_microseconds
    from gaps
    union all
    select
        session_id,
        user_id,
        next_at::date as date,
        microseconds_between(next_at::date::timestamp, next_at) as active_microseconds
    from gaps
    where next_at::date > event_ts::date
)

select
    session_id,
    user_id,
    date,
    sum(active_microseconds)::bigint as active_microseconds
from parts
group by session_id, user_id, date;

create table marts.study_sessions as
with counts as (
    select
        events.session_id,
        count(*) filter (event_type = 'session_pause') as pause_count,
        count(*) filter (event_type = 'question_submit') as questions_attempted,
        count(*) filter (event_type = 'question_submit' and is_correct) as questions_correct,
        count(*) filter (event_type = 'ai_question_asked') as ai_interactions,
        coalesce(sum(xp_amount) filter (event_type = 'xp_earned'), 0)::bigint as xp_earned,
        count(*) filter (event_type = 'achievement_unlocked') as achievements_unlocked,
        count(*) filter (event_type = 'search_performed') as searches,
        arg_min(device_type, (event_ts, event_id)) filter (event_type = 'session_start') as device_type,
        arg_min(timezone, (event_ts, event_id)) filter (event_type = 'session_start') as timezone,
        arg_max(
            {
                duration_seconds: reported_duration_seconds,
                active_seconds: reported_active_seconds,
                materials_viewed: reported_materials_viewed,
                questions_attempted: reported_questions_attempted,
                xp_earned: reported_xp_earned
            },
            (event_ts, event_id)
        ) filter (event_type = 'session_end') as reported,
        count(*) as events,
        count(*) filter (event_ts > session_ends.ended_at) as events_after_end
    from session_events as events
    inner join session_ends on events.session_id = session_ends.session_id
    group by events.session_id
),

materials as (
    select
        session_id,
        count(distinct material_id) filter (event_type in ('material_open', 'material_read')) as materials_viewed,
        count(distinct material_id) filter (completes_material) as materials_completed,
        count(distinct chunk_id) filter (event_type = 'material_read') as chunks_read
    from session_events
    where event_type in ('material_open', 'material_read', 'material_complete')
    group by session_id
),

active as (
    select
        session_id,
        sum(active_microseconds) as active_microseconds
    from session_days
    group by session_id
),

-- Of spans that have a length, those that begin before another one of their user ends.
spans as (
    select
        session_id,
        user_id,
        started_at,
        coalesce(ended_at, last_present_at) as ends_at
    from session_ends
    where coalesce(ended_at, last_present_at) > started_at
),

neighbours as (
    select
        session_id,
        coalesce(max(ends_at) over (of_user rows between unbounded preceding and 1 preceding) > started_at, false)
        or coalesce(lead(started_at) over of_user < ends_at, false) as overlaps_other
    from spans
    window of_user as (partition by user_id order by started_at, session_id)
)

select
    if(session_ends.is_derived, 'derived-', '') || session_ends.session_id as session_id,
    session_ends.user_id::varchar as user_id,
    session_ends.is_derived,
    session_ends.started_at,
    session_ends.ended_at,
    session_ends.end_reason,
    session_ends.end_reason = 'active' as is_active,
    seconds(microseconds_between(session_ends.started_at, session_ends.ended_at)) as duration_seconds,
    seconds(coalesce(active.active_microseconds, 0)) as active_seconds,
    counts.pause_count,
    coalesce(materials.materials_viewed, 0) as materials_viewed,
    coalesce(materials.materials_completed, 0) as materials_completed,
    coalesce(materials.chunks_read, 0) as chunks_read,
    counts.questions_attempted,
    counts.questions_correct,
    counts.ai_interactions,
    counts.xp_earned,
    counts.achievements_unlocked,
    counts.searches,
    counts.device_type,
    counts.timezone,
    counts.events,
    counts.events_after_end,
    coalesce(neighbours.overlaps_other, false) as overlaps_other_session,
    counts.reported.duration_seconds as reported_duration_seconds,
    counts.reported.active_seconds as reported_active_seconds,
    counts.reported.materials_viewed as reported_materials_viewed,
    counts.reported.questions_attempted as reported_questions_attempted,
    counts.reported.xp_earned as reported_xp_earned
from session_ends
inner join counts on session_ends.session_id = counts.session_id
left join materials on session_ends.session_id = materials.session_id
left join active on session_ends.session_id = active.session_id
left join neighbours on session_ends.session_id = neighbours.session_id;

create table marts.material_interactions as
select
    user_id::varchar as user_id,
    if(any_value(is_derived), 'derived-', '') || session_id as session_id,
    material_id::varchar as material_id,
    min(event_ts) as started_at,
    max(event_ts) as ended_at,
    coalesce(sum(time_spent_seconds) filter (event_type = 'material_read'), 0)::decimal(18, 6) as duration_seconds,
    max(scroll_depth_percent) filter (event_type = 'material_read') as scroll_depth_percent,
    count(distinct chunk_id) filter (event_type = 'material_read') as chunks_read,
    bool_or(completes_material) as is_complete,
    count(*) filter (event_type = 'material_highlight') as highlights_count,
    count(*) filter (event_type = 'material_note') as notes_count,
    bool_or(event_type = 'material_bookmark') as bookmarked
from session_events
where starts_with(event_type, 'material_')
group by user_id, session_id, material_id;


-- ## Questions

-- Answers, hints and explanations, each with the number of answers of the learner to the question so far.
create temp table question_events as
select
    event_id,
    event_type,
    event_ts,
    user_id,
    question_id,
    session_id,
    is_derived,
    count(*) filter (event_type = 'question_submit') over (at_question rows between unbounded preceding and current row) as attempts_so_far,
    max(event_ts) filter (event_type = 'question_submit') over (at_question rows between unbounded preceding and 1 preceding)
        as previous_attempt_at,
    min(event_ts) filter (event_type = 'question_submit' and is_correct) over (
        at_question rows between 1 following and unbounded following
    ) as next_correct_at
from session_events
where event_type in ('question_submit', 'ai_hint_requested', 'ai_explanation_requested')
window at_question as (partition by user_id, question_id order by event_ts, event_id);

create temp table attempts as
with hints as (
    select distinct
        user_id,
        question_id,
        session_id,
        attempts_so_far + 1 as attempt_number
    from question_events
    where event_type = 'ai_hint_requested'
),

explanations as (
    select distinct
        user_id,
        question_id,
        session_id,
        attempts_so_far as attempt_number
    from question_events
    where event_type = 'ai_explanation_requested'
)

select
    events.event_id as attempt_id,
    events.user_id,
    attempts.session_id,
    attempts.is_derived,
    events.question_id,
    events.topic_id,
    events.event_ts as attempted_at,
    events.event_date as date,
    events.is_correct,
    events.time_to_answer_seconds,
    events.confidence_level,
    events.selected_answer,
    events.correct_answer,
    attempts.attempts_so_far as attempt_number,
    attempts.attempts_so_far = 1 as is_first_attempt,
    attempts.previous_attempt_at,
    coalesce(events.hint_used, false) or hints.attempt_number is not null as hint_used,
    explanations.attempt_number is not null as explanation_viewed,
    events.reported_attempt_number,
    events.reported_is_first_attempt
from events
inner join question_events as attempts on events.event_id = attempts.event_id
left join hints
    on
        attempts.user_id = hints.user_id
        and attempts.question_id = hints.question_id
        and attempts.session_id = hints.session_id
        and attempts.attempts_so_far = hints.attempt_number
left join explanations
    on
        attempts.user_id = explanations.user_id
        and attempts.question_id = explanations.question_id
        and attempts.session_id = explanations.session_id
        and attempts.attempts_so_far = explanations.attempt_number
where events.event_type = 'question_submit';

create table marts.question_attempts as
select
    attempt_id::varchar as attempt_id,
    user_id::varchar as user_id,
    if(is_derived, 'derived-', '') || session_id as session_id,
    question_id::varchar as question_id,
    topic_id::varchar as topic_id,
    date,
    attempted_at,
    is_correct,
    time_to_answer_seconds,
    confidence_level,
    selected_answer,
    correct_answer,
    attempt_number,
    is_first_attempt,
    days(microseconds_between(previous_attempt_at, attempted_at)) as days_since_last_attempt,
    hint_used,
    explanation_viewed,
    reported_attempt_number,
    reported_is_first_attempt
from attempts;


-- ## The assistant, and searches

create table marts.ai_coach_daily_stats as
with by_event as (
    select
        event_date as date,
        count(*) filter (event_type = 'ai_question_asked') as questions,
        count(*) filter (event_type = 'ai_response_received') as responses,
        median_of(if(event_type = 'ai_response_received', response_time_ms, null)) as median_response_time_ms,
        round(quantile_cont(if(event_type = 'ai_response_received', response_time_ms, null)::double, 0.95), 9) as p95_response_time_ms,
        coalesce(sum(tokens_used) filter (event_type = 'ai_response_received'), 0)::bigint as tokens_used,
        count(*) filter (event_type = 'ai_feedback_positive') as positive_feedback,
        count(*) filter (event_type = 'ai_feedback_negative') as negative_feedback,
        count(*) filter (event_type = 'ai_hint_requested') as hints_requested
    from events
    where starts_with(event_type, 'ai_')
    group by event_date
),

-- Hints that the learner's correct answer to that question follows within an hour.
by_hint as (
    select
        event_ts::date as date,
        count(*) filter (next_correct_at <= event_ts + interval 1 hour) as hints_followed
    from question_events
    where event_type = 'ai_hint_requested'
    group by event_ts::date
)

select
    by_event.date,
    by_event.questions,
    by_event.responses,
    by_event.median_response_time_ms,
    by_event.p95_response_time_ms,
    by_event.tokens_used,
    by_event.positive_feedback,
    by_event.negative_feedback,
    by_event.hints_requested,
    ratio(by_hint.hints_followed, by_event.hints_requested) as hint_then_correct_rate
from by_event
left join by_hint on by_event.date = by_hint.date;

create table marts.ai_model_daily_stats as
select
    event_date as date,
    coalesce(model_used, 'unknown') as model_used,
    count(*) as responses,
    coalesce(sum(tokens_used), 0)::bigint as tokens_used,
    median_of(response_time_ms) as median_response_time_ms
from events
where event_type = 'ai_response_received'
group by all;

create table marts.search_daily_stats as
with searches as (
    select
        event_type,
        event_date,
        event_ts,
        search_type,
        result_count,
        min(event_ts) filter (event_type != 'search_performed') over (
            partition by session_id order by event_ts, event_id rows between 1 following and unbounded following
        ) as next_opened_at
    from session_events
    where event_type in ('search_performed', 'topic_explored', 'material_open')
)

select
    event_date as date,
    coalesce(search_type, 'unknown') as search_type,
    count(*) as searches,
    ratio(count(*) filter (result_count = 0), count(result_count)) as zero_result_rate,
    ratio(count(*) filter (next_opened_at <= event_ts + interval 5 minute), count(*)) as click_through_rate
from searches
where event_type = 'search_performed'
group by all;


-- ## Learners by day and by week

-- Active days, hour by hour: those with a learning event.
create temp table active_hours as
select
    user_id,
    event_date as date,
    extract(hour from event_ts) as hour,
    count(*) as learning_events,
    min(event_ts) as first_event_at
from events
where is_learning_event
group by all;

-- Consecutive days less their number are one and the same day: the run that they belong to.
create temp table streaks as
with active_days as (
    select
        user_id,
        date,
        min(first_event_at) as first_event_at
    from active_hours
    group by user_id, date
),

runs as (
    select
        *,
        date - (row_number() over (partition by user_id order by date))::int as run
    from active_days
)

select
    user_id,
    date,
    first_event_at,
    row_number() over (partition by user_id, run order by date) as streak_days
from runs;

create temp table user_days as
with by_event as (
    select
        user_id,
        event_date as date,
        count(distinct material_id) filter (event_type in ('material_open', 'material_read')) as materials_viewed,
        count(distinct material_id) filter (completes_material) as materials_completed,
        count(distinct chunk_id) filter (event_type = 'material_read') as chunks_read,
        coalesce(sum(time_spent_seconds) filter (event_type = 'material_read'), 0)::decimal(18, 6) as reading_seconds,
        count(*) filter (event_type = 'question_submit') as questions_attempted,
        count(*) filter (event_type = 'question_submit' and is_correct) as questions_correct,
        count(distinct topic_id) filter (is_learning_event) as topics_studied,
        count(*) filter (event_type = 'ai_question_asked') as ai_interactions,
        count(*) filter (event_type = 'ai_hint_requested') as hints_requested,
        count(*) filter (event_type = 'quiz_complete') as quizzes_completed,
        count(*) filter (event_type = 'search_performed') as searches,
        coalesce(sum(xp_amount) filter (event_type = 'xp_earned'), 0)::bigint as xp_earned,
        count(*) filter (event_type = 'achievement_unlocked') as achievements_unlocked,
        bool_or(is_learning_event) as is_active_day
    from events
    group by user_id, event_date
),

by_session_day as (
    select
        user_id,
        date,
        sum(active_microseconds) as active_microseconds
    from session_days
    group by user_id, date
    having sum(active_microseconds) > 0
),

by_attempt as (
    select
        user_id,
        date,
        count(*) as first_attempts
    from attempts
    where is_first_attempt
    group by user_id, date
),

by_session as (
    select
        user_id,
        started_at::date as date,
        count(*) as sessions_started
    from session_ends
    group by user_id, started_at::date
)

select
    user_id,
    date,
    coalesce(by_session.sessions_started, 0) as sessions_started,
    seconds(coalesce(by_session_day.active_microseconds, 0)) as active_seconds,
    coalesce(by_event.materials_viewed, 0) as materials_viewed,
    coalesce(by_event.materials_completed, 0) as materials_completed,
    coalesce(by_event.chunks_read, 0) as chunks_read,
    coalesce(by_event.reading_seconds, 0) as reading_seconds,
    coalesce(by_event.questions_attempted, 0) as questions_attempted,
    coalesce(by_event.questions_correct, 0) as questions_correct,
    ratio(by_event.questions_correct, by_event.questions_attempted) as accuracy,
    coalesce(by_attempt.first_attempts, 0) as first_attempts,
    coalesce(by_event.topics_studied, 0) as topics_studied,
    coalesce(by_event.ai_interactions, 0) as ai_interactions,
    coalesce(by_event.hints_requested, 0) as hints_requested,
    coalesce(by_event.quizzes_completed, 0) as quizzes_completed,
    coalesce(by_event.searches, 0) as searches,
    coalesce(by_event.xp_earned, 0) as xp_earned,
    coalesce(by_event.achievements_unlocked, 0) as achievements_unlocked,
    coalesce(by_event.is_active_day, false) as is_active_day,
    coalesce(streaks.streak_days, 0) as streak_days
from by_event
full join by_session_day using (user_id, date)
left join by_attempt using (user_id, date)
left join by_session using (user_id, date)
left join streaks using (user_id, date);

create table marts.daily_user_stats as
select * replace (user_id::varchar as user_id)
from user_days;

create table marts.weekly_user_stats as
with by_day as (
    select
        user_id,
        monday(date) as week_start,
        sum(sessions_started)::bigint as sessions_started,
        sum(active_seconds)::decimal(18, 6) as active_seconds,
        sum(reading_seconds)::decimal(18, 6) as reading_seconds,
        sum(questions_attempted)::bigint as questions_attempted,
        sum(questions_correct)::bigint as questions_correct,
        ratio(sum(questions_correct), sum(questions_attempted)) as accuracy,
        sum(first_attempts)::bigint as first_attempts,
        sum(ai_interactions)::bigint as ai_interactions,
        sum(hints_requested)::bigint as hints_requested,
        sum(quizzes_completed)::bigint as quizzes_completed,
        sum(searches)::bigint as searches,
        sum(xp_earned)::bigint as xp_earned,
        sum(achievements_unlocked)::bigint as achievements_unlocked,
        count(*) filter (is_active_day) as active_days,
        getvariable('as_of') >= (week_start + 7)::timestamp as is_complete_week
    from user_days
    group by user_id, week_start
),

-- Distinct counts do not add up over days.
by_event as (
    select
        user_id,
        monday(event_date) as week_start,
        count(distinct material_id) filter (event_type in ('material_open', 'material_read')) as materials_viewed,
        count(distinct material_id) filter (completes_material) as materials_completed,
        count(distinct chunk_id) filter (event_type = 'material_read') as chunks_read,
        count(distinct topic_id) filter (is_learning_event) as topics_studied
    from events
    where is_learning_event and (material_id is not null or topic_id is not null)
    group by user_id, week_start
)

select
    weeks.user_id::varchar as user_id,
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
    if(weeks.is_complete_week, weeks.active_seconds - before.active_seconds, null)::decimal(18, 6) as active_seconds_change,
    if(weeks.is_complete_week, weeks.questions_attempted - before.questions_attempted, null) as questions_attempted_change,
    if(weeks.is_complete_week, round(weeks.accuracy - before.accuracy, 9), null) as accuracy_change
from by_day as weeks
left join by_event on weeks.user_id = by_event.user_id and weeks.week_start = by_event.week_start
left join by_day as before on weeks.user_id = before.user_id and weeks.week_start = before.week_start + 7;

-- What is said of learners as of as-of.
create temp table activity as
with usual_hours as (
    select
        user_id,
        hour,
        sum(learning_events) as learning_events
    from active_hours
    group by user_id, hour
),

by_hour as (
    select
        user_id,
        arg_max(hour, (learning_events, -hour)) as usual_hour
    from usual_hours
    group by user_id
),

by_day as (
    select
        user_id,
        min(date) as first_active_date,
        max(date) filter (first_event_at < getvariable('as_of')) as last_active_date,
        count(*) as total_active_days,
        count(*) filter (date between getvariable('last_complete_day') - 27 and getvariable('last_complete_day')) as active_days_28,
        coalesce(max(streak_days) filter (date = getvariable('last_complete_day')), 0) as current_streak,
        max(streak_days) as longest_streak
    from streaks
    group by user_id
)

select
    *,
    if(last_active_date < getvariable('last_complete_day'), last_active_date + 1, null) as streak_broken_on
from by_day
inner join by_hour using (user_id);

create table marts.user_gamification as
with users as (
    select
        user_id,
        sum(xp_earned)::bigint as total_xp
    from user_days
    group by user_id
),

-- What the app says of points and levels.
reported as (
    select
        user_id,
        arg_max(if(event_type = 'level_up', total_xp, new_total_xp), (event_ts, event_id)) as reported_total_xp,
        max(new_level) filter (event_type = 'level_up') as level
    from events
    where event_type in ('xp_earned', 'level_up')
    group by user_id
),

unlocked as (
    select
        user_id,
        count(distinct achievement_id) as achievements
    from events
    where event_type = 'achievement_unlocked'
    group by user_id
)

select
    user_id::varchar as user_id,
    users.total_xp,
    reported.reported_total_xp,
    coalesce(reported.level, 1) as level,
    coalesce(activity.current_streak, 0) as current_streak,
    coalesce(activity.longest_streak, 0) as longest_streak,
    activity.last_active_date,
    coalesce(unlocked.achievements, 0) as achievements,
    activity.streak_broken_on
from users
left join reported using (user_id)
left join unlocked using (user_id)
left join activity using (user_id);


-- ## Topics and questions

create temp table no_topics (topic_id uuid, name varchar, level varchar, parent_topic_id uuid);
create temp table no_topic_prerequisites (topic_id uuid, prerequisite_topic_id uuid);
create temp table no_questions (question_id uuid, topic_id uuid);

create table marts.topics as
select
    topic_id::uuid::varchar as topic_id,
    name::varchar as topic_name,
    level::varchar as topic_level,
    parent_topic_id::uuid::varchar as parent_topic_id
from query_table(coalesce(getvariable('topics'), 'no_topics'));

create temp table prerequisites as
select
    topic_id::uuid as topic_id,
    prerequisite_topic_id::uuid as prerequisite_topic_id
from query_table(coalesce(getvariable('topic_prerequisites'), 'no_topic_prerequisites'));

create table marts.topic_daily_stats as
-- A question to the assistant is an event on each of its topics.
with topic_events as (
    select
        topic_id,
        event_date as date,
        user_id,
        if(event_type = 'material_read', time_spent_seconds, null) as reading_seconds,
        false as is_ai_question,
        event_type = 'topic_explored' as is_exploration
    from events
    where topic_id is not null and event_type != 'ai_question_asked'
    union all
    select
        unnest(list_distinct(list_append(coalesce(detected_topics, []), topic_id))) as topic_id,
        event_date as date,
        user_id,
        null as reading_seconds,
        true as is_ai_question,
        false as is_exploration
    from events
    where event_type = 'ai_question_asked'
),

by_event as (
    select
        topic_id,
        date,
        count(distinct user_id) as users,
        coalesce(sum(reading_seconds), 0)::decimal(18, 6) as reading_seconds,
        count(*) filter (is_ai_question) as ai_questions,
        count(*) filter (is_exploration) as explorations
    from topic_events
    group by topic_id, date
),

by_attempt as (
    select
        topic_id,
        date,
        count(*) as questions_attempted,
        count(*) filter (is_correct) as questions_correct,
        count(*) filter (is_first_attempt) as first_attempts,
        count(*) filter (is_first_attempt and is_correct) as first_attempts_correct,
        count(*) filter (hint_used) as attempts_with_hint,
        median_of(time_to_answer_seconds) as median_time_to_answer_seconds
    from attempts
    group by topic_id, date
)

select
    topic_id::varchar as topic_id,
    date,
    by_event.users,
    coalesce(by_attempt.questions_attempted, 0) as questions_attempted,
    coalesce(by_attempt.questions_correct, 0) as questions_correct,
    ratio(by_attempt.questions_correct, by_attempt.questions_attempted) as accuracy,
    ratio(by_attempt.first_attempts_correct, by_attempt.first_attempts) as first_attempt_accuracy,
    by_attempt.median_time_to_answer_seconds,
    ratio(by_attempt.attempts_with_hint, by_attempt.questions_attempted) as hint_rate,
    by_event.reading_seconds,
    by_event.ai_questions,
    by_event.explorations
from by_event
left join by_attempt using (topic_id, date);

create temp table difficulties as
select unnest(difficulties, recursive := true)
from read_json(getvariable('model'));

create table marts.question_stats as
with catalog as (
    select
        question_id::uuid as question_id,
        topic_id::uuid as topic_id
    from query_table(coalesce(getvariable('questions'), 'no_questions'))
),

by_attempt as (
    select
        question_id,
        arg_min(topic_id, (attempted_at, attempt_id)) as first_topic_id,
        count(*) as attempts,
        count(*) filter (hint_used) as attempts_with_hint,
        count(*) filter (is_first_attempt) as first_attempts,
        count(*) filter (is_first_attempt and is_correct) as first_attempts_correct,
        -- Cut to whole seconds, an hour at most.
        median_of(if(time_to_answer_seconds > 3600, 3600, floor(time_to_answer_seconds))) as median_time_to_answer_seconds
    from attempts
    group by question_id
),

-- How a learner did at first attempts at other questions before.
first_attempts as (
    select
        question_id,
        is_correct::int as correct,
        count(*) over earlier as earlier_attempts,
        count(*) filter (is_correct) over earlier as earlier_correct
    from attempts
    where is_first_attempt
    window earlier as (partition by user_id order by attempted_at, attempt_id rows between unbounded preceding and 1 preceding)
),

by_first_attempt as (
    select
        question_id,
        count(*) as pairs,
        corr(correct, earlier_correct / earlier_attempts) as discrimination
    from first_attempts
    where earlier_attempts >= 5
    group by question_id
),

topics as (
    select
        question_id,
        coalesce(catalog.topic_id, by_attempt.first_topic_id) as topic_id,
        sum(by_attempt.first_attempts) over of_topic as topic_first_attempts,
        sum(by_attempt.first_attempts_correct) over of_topic as topic_first_attempts_correct
    from by_attempt
    left join catalog using (question_id)
    window of_topic as (partition by coalesce(catalog.topic_id, by_attempt.first_topic_id))
)

select
    question_id::varchar as question_id,
    topics.topic_id::varchar as topic_id,
    by_attempt.attempts,
    by_attempt.first_attempts,
    ratio(
        by_attempt.first_attempts_correct * topics.topic_first_attempts + 10 * topics.topic_first_attempts_correct,
        (by_attempt.first_attempts + 10) * topics.topic_first_attempts
    ) as p_correct_first,
    if(by_first_attempt.pairs >= 10 and isfinite(by_first_attempt.discrimination), round(by_first_attempt.discrimination, 9), null)
        as discrimination,
    by_attempt.median_time_to_answer_seconds,
    ratio(by_attempt.attempts_with_hint, by_attempt.attempts) as hint_rate,
    round(difficulties.difficulty, 9) as model_difficulty
from by_attempt
inner join topics using (question_id)
left join by_first_attempt using (question_id)
left join difficulties on difficulties.level = 'question' and by_attempt.question_id::varchar = difficulties.id;


-- ## Topic mastery: docs/guides/mastery_model.md says what the model is

set variable model_version = (select version from read_json(getvariable('model')));
set variable coefficients = (select coefficients from read_json(getvariable('model')));

create temp macro weight(name) as getvariable('coefficients')[name];
create temp macro odds(probability) as ln(probability / (1 - probability));
create temp macro probability_of(log_odds) as 1 / (1 + exp(-(log_odds)));

-- Sums over a learner's attempts, and what is left of them when those up to some attempt ago are taken away.
create temp macro nothing() as { attempts: 0::bigint, correct: 0::bigint, expected: 0::bigint, information: 0::bigint };
create temp macro since(sums, ago) as {
    attempts: sums.attempts - ago.attempts,
    correct: sums.correct - ago.correct,
    expected: sums.expected - ago.expected,
    information: sums.information - ago.information
};
create temp macro strength(memory, k0) as (memory.correct - memory.expected / 1e6) / (memory.information / 1e6 + k0);
create temp macro remembered(name, memory, k0) as
weight(name || '_correct') * ln(1 + memory.correct)
+ weight(name || '_wrong') * ln(1 + memory.attempts - memory.correct)
+ weight(name || '_strength') * strength(memory, k0);

create temp table scores as
with questions as (
    select
        id::uuid as question_id,
        * exclude (level, id)
    from difficulties
    where level = 'question'
),

topics as (
    select
        id::uuid as topic_id,
        * exclude (level, id)
    from difficulties
    where level = 'topic'
),

known as (
    select
        attempts.attempt_id,
        attempts.user_id,
        attempts.topic_id,
        attempts.question_id,
        attempts.attempted_at,
        attempts.is_correct,
        attempts.hint_used,
        coalesce(questions.difficulty, topics.difficulty, overall.difficulty) as question_difficulty,
        coalesce(topics.difficulty, overall.difficulty) as topic_difficulty,
        coalesce(questions.expected_millionths, topics.expected_millionths, overall.expected_millionths) as expected,
        coalesce(questions.information_millionths, topics.information_millionths, overall.information_millionths) as information
    from attempts
    inner join difficulties as overall on overall.level = 'overall'
    left join questions on attempts.question_id = questions.question_id
    left join topics on attempts.topic_id = topics.topic_id
),

-- Level by level: what the learner did before the attempt, and with it, as a part of the log-odds of the next answer. First of
-- all answers of the learner,
learner_so_far as (
    select
        *,
        {
            attempts: row_number() over learner_so_far,
            correct: count(*) filter (is_correct) over learner_so_far,
            expected: (sum(expected) over learner_so_far)::bigint,
            information: (sum(information) over learner_so_far)::bigint
        } as learner
    from known
    window learner_so_far as (
        partition by user_id order by attempted_at, attempt_id rows between unbounded preceding and current row
    )
),

learner_ago as (
    select
        *,
        lag(learner, 1, nothing()) over learner_in_time as learner_1,
        lag(learner, 2, nothing()) over learner_in_time as learner_2,
        lag(learner, 3, nothing()) over learner_in_time as learner_3,
        lag(learner, 4, nothing()) over learner_in_time as learner_4,
        lag(learner, 10, nothing()) over learner_in_time as learner_10,
        lag(learner, 11, nothing()) over learner_in_time as learner_11,
        lag(learner, 30, nothing()) over learner_in_time as learner_30,
        lag(learner, 31, nothing()) over learner_in_time as learner_31,
        lag(learner, 100, nothing()) over learner_in_time as learner_100,
        lag(learner, 101, nothing()) over learner_in_time as learner_101,
        lag(learner, 300, nothing()) over learner_in_time as learner_300,
        lag(learner, 301, nothing()) over learner_in_time as learner_301
    from learner_so_far
    window learner_in_time as (partition by user_id order by attempted_at, attempt_id)
),

of_learner as (
    select
        * exclude (
            learner, learner_1, learner_2, learner_3, learner_4, learner_10, learner_11, learner_30, learner_31, learner_100,
            learner_101, learner_300, learner_301
        ),
        learner.attempts as learner_attempts,
        remembered('learner_1', since(learner_1, learner_2), 1)
        + remembered('learner_3', since(learner_1, learner_4), 1)
        + remembered('learner_10', since(learner_1, learner_11), 1)
        + remembered('learner_30', since(learner_1, learner_31), 1)
        + remembered('learner_100', since(learner_1, learner_101), 1)
        + remembered('learner_300', since(learner_1, learner_301), 1)
        + remembered('learner_all', learner_1, 1)
        + weight('learner_attempts') * ln(1 + learner_1.attempts)
        + weight('difficulty_of_strong') * question_difficulty * strength(learner_1, 1)
        + weight('learner_100_correct_of_attempts')
        * ln(1 + since(learner_1, learner_101).correct) * ln(1 + learner_1.attempts) as learner_before,
        remembered('learner_1', since(learner, learner_1), 1)
        + remembered('learner_3', since(learner, learner_3), 1)
        + remembered('learner_10', since(learner, learner_10), 1)
        + remembered('learner_30', since(learner, learner_30), 1)
        + remembered('learner_100', since(learner, learner_100), 1)
        + remembered('learner_300', since(learner, learner_300), 1)
        + remembered('learner_all', learner, 1)
        + weight('learner_attempts') * ln(1 + learner.attempts)
        + weight('difficulty_of_strong') * topic_difficulty * strength(learner, 1)
        + weight('learner_100_correct_of_attempts')
        * ln(1 + since(learner, learner_100).correct) * ln(1 + learner.attempts) as learner_after
    from learner_ago
),

-- then of those at the same topic,
topic_so_far as (
    select
        *,
        {
            attempts: row_number() over topic_so_far,
            correct: count(*) filter (is_correct) over topic_so_far,
            expected: (sum(expected) over topic_so_far)::bigint,
            information: (sum(information) over topic_so_far)::bigint
        } as topic,
        count(*) filter (hint_used) over topic_so_far as topic_hinted
    from of_learner
    window topic_so_far as (
        partition by user_id, topic_id order by attempted_at, attempt_id rows between unbounded preceding and current row
    )
),

topic_ago as (
    select
        *,
        lag(topic, 1, nothing()) over topic_in_time as topic_1,
        lag(topic, 2, nothing()) over topic_in_time as topic_2,
        lag(topic, 3, nothing()) over topic_in_time as topic_3,
        lag(topic, 4, nothing()) over topic_in_time as topic_4,
        lag(topic, 10, nothing()) over topic_in_time as topic_10,
        lag(topic, 11, nothing()) over topic_in_time as topic_11,
        lag(topic_hinted, 1, 0) over topic_in_time as topic_hinted_before,
        lag(attempted_at) over topic_in_time as previous_on_topic_at,
        lead(attempted_at) over topic_in_time as next_on_topic_at,
        learner_attempts - lag(learner_attempts) over topic_in_time as attempts_since_topic
    from topic_so_far
    window topic_in_time as (partition by user_id, topic_id order by attempted_at, attempt_id)
),

topic_fading as (
    select
        *,
        ln(1 + days_between(previous_on_topic_at, attempted_at) / weight('fading_days')) as faded
    from topic_ago
),

of_topic as (
    select
        * exclude (topic, topic_1, topic_2, topic_3, topic_4, topic_10, topic_11),
        topic.attempts as topic_attempts,
        topic.correct as topic_correct,
        topic.information as topic_information,
        remembered('topic_1', since(topic_1, topic_2), 0.5)
        + remembered('topic_3', since(topic_1, topic_4), 0.5)
        + remembered('topic_10', since(topic_1, topic_11), 0.5)
        + remembered('topic_all', topic_1, 0.5)
        + weight('topic_attempts') * ln(1 + topic_1.attempts)
        + weight('topic_hinted') * ln(1 + topic_hinted_before)
        + weight('topic_pause') * coalesce(ln(1 + attempts_since_topic), 0)
        + weight('topic_fading') * faded
        + weight('topic_fading_of_practice') * faded * ln(1 + topic_1.attempts)
        + weight('topic_difficulty') * topic_difficulty
        + weight('difficulty_of_practised') * question_difficulty * ln(1 + since(topic_1, topic_11).correct) as topic_before,
        remembered('topic_1', since(topic, topic_1), 0.5)
        + remembered('topic_3', since(topic, topic_3), 0.5)
        + remembered('topic_10', since(topic, topic_10), 0.5)
        + remembered('topic_all', topic, 0.5)
        + weight('topic_attempts') * ln(1 + topic.attempts)
        + weight('topic_hinted') * ln(1 + topic_hinted)
        + weight('topic_pause') * ln(2)
        + weight('topic_difficulty') * topic_difficulty
        + weight('difficulty_of_practised') * topic_difficulty * ln(1 + since(topic, topic_10).correct) as topic_after
    from topic_fading
),

-- and of those at the same question: all of them, and the last one.
question_ago as (
    select
        *,
        {
            attempts: row_number() over question_in_time - 1,
            correct: count(*) filter (is_correct) over question_before,
            expected: coalesce(sum(expected) over question_before, 0)::bigint,
            information: coalesce(sum(information) over question_before, 0)::bigint
        } as question,
        {
            attempts: lag(1, 1, 0) over question_in_time,
            correct: lag(is_correct::bigint, 1, 0) over question_in_time,
            expected: lag(expected, 1, 0) over question_in_time,
            information: lag(information, 1, 0) over question_in_time
        } as question_1,
        learner_attempts - lag(learner_attempts) over question_in_time as attempts_since_question
    from of_topic
    window
        question_in_time as (partition by user_id, question_id order by attempted_at, attempt_id),
        question_before as (
            partition by user_id, question_id order by attempted_at, attempt_id rows between unbounded preceding and 1 preceding
        )
),

question_pauses as (
    select
        *,
        coalesce(ln(1 + attempts_since_question), 0) as question_pause
    from question_ago
),

of_question as (
    select
        *,
        remembered('question_1', question_1, 0.5)
        + remembered('question_all', question, 0.5)
        + weight('question_attempts') * ln(1 + question.attempts)
        + weight('question_difficulty') * question_difficulty
        + weight('question_pause') * question_pause
        + weight('question_pause_of_strength') * question_pause * strength(question, 0.5)
        + weight('difficulty_of_known') * question_difficulty * ln(1 + question.attempts) as question_before,
        weight('question_difficulty') * topic_difficulty as question_after
    from question_pauses
),

-- What follows is computed from rounded numbers.
log_odds as (
    select
        *,
        round(probability_of(weight('intercept') + learner_before + topic_before + question_before), 9) as predicted_correct,
        round(4 * topic_information / 1e6, 9) as evidence,
        round(weight('intercept') + learner_after + topic_after + question_after, 9) as log_odds_at_practice,
        round(weight('topic_fading') + weight('topic_fading_of_practice') * ln(1 + topic_attempts), 9) as log_odds_per_log_day
    from of_question
),

-- Half the width of an interval that holds 90 %.
intervals as (
    select
        *,
        round(
            1.6448536269514722e0 * sqrt(
                (weight('interval_variance') + weight('interval_newness') / (1 + evidence))
                * cosh(least(abs(log_odds_at_practice), 4) / 2)
            ),
            9
        ) as log_odds_margin
    from log_odds
)

select
    attempt_id,
    user_id,
    topic_id,
    question_id,
    attempted_at,
    attempted_at::date as date,
    is_correct,
    predicted_correct,
    evidence,
    log_odds_at_practice,
    log_odds_per_log_day,
    log_odds_margin,
    -- By how much the thresholds are passed; mastered takes 0.85, and the lower bound 0.70.
    least(log_odds_at_practice - odds(0.85e0), log_odds_at_practice - log_odds_margin - odds(0.70e0)) as above_mastered,
    log_odds_at_practice - odds(0.70e0) as above_proficient,
    topic_attempts as questions_attempted,
    topic_correct as questions_correct,
    next_on_topic_at
from intervals;

create table marts.attempt_predictions as
with learners as (
    select
        user_id,
        ('0x' || md5(user_id::varchar)[:8])::bigint % 5 = 0 as is_held_out
    from (select distinct user_id from scores) as users
)

select
    attempt_id::varchar as attempt_id,
    user_id::varchar as user_id,
    topic_id::varchar as topic_id,
    question_id::varchar as question_id,
    date,
    is_correct,
    predicted_correct,
    getvariable('model_version') as model_version,
    learners.is_held_out
from scores
inner join learners using (user_id);

-- Until when log-odds stay above a threshold that they pass by so much; null where they do not pass it.
create temp macro lasts_until(above, per_log_day, practiced_at) as
case
    when above < 0 then null
    when per_log_day >= 0 or weight('fading_days') * (exp(least(above / -per_log_day, 40)) - 1) > 36500
        then timestamp '9999-12-31 00:00:00'
    else date_trunc('minute', practiced_at) + to_minutes(
        floor(
            weight('fading_days') * (exp(least(above / -per_log_day, 40)) - 1) * 1440
            + microseconds_between(date_trunc('minute', practiced_at), practiced_at) / 60e6
        )::bigint
    )
end;
create temp macro faded(at_practice, per_log_day, days, fading_days) as at_practice + per_log_day * ln(1 + days / fading_days);

create temp table mastery_days as
with reached as (
    select
        user_id,
        topic_id,
        min((attempted_at, attempt_id)) as first_mastered
    from scores
    where above_mastered >= 0 and evidence >= 3
    group by user_id, topic_id
),

-- The last attempt of a learner at a topic on each day.
days as (
    select
        *,
        (date + 1)::timestamp as day_ends_at,
        lasts_until(above_mastered, log_odds_per_log_day, attempted_at) as mastered_until,
        lasts_until(above_proficient, log_odds_per_log_day, attempted_at) as proficient_until,
        faded(
            log_odds_at_practice, log_odds_per_log_day, days_between(attempted_at, day_ends_at), weight('fading_days')
        ) as log_odds_at_end
    from scores
    where next_on_topic_at is null or next_on_topic_at::date > date
)

select
    user_id,
    topic_id,
    days.date,
    round(probability_of(days.log_odds_at_end), 9) as mastery_score,
    round(probability_of(days.log_odds_at_end - days.log_odds_margin), 9) as mastery_low,
    round(probability_of(days.log_odds_at_end + days.log_odds_margin), 9) as mastery_high,
    days.evidence,
    days.questions_attempted,
    days.questions_correct,
    case
        when days.evidence < 3 then 'unknown'
        when days.day_ends_at < days.mastered_until then 'mastered'
        when days.day_ends_at < days.proficient_until then 'proficient'
        else 'learning'
    end as mastery_level,
    round(probability_of(days.log_odds_at_end) / probability_of(days.log_odds_at_practice), 9) as recall,
    days.attempted_at as last_practiced_at,
    days.mastered_until,
    days.proficient_until,
    if((days.attempted_at, days.attempt_id) >= reached.first_mastered, reached.first_mastered[1], null) as reached_mastered_at,
    days.log_odds_at_practice,
    days.log_odds_per_log_day,
    days.log_odds_margin,
    weight('fading_days') as fading_days,
    getvariable('model_version') as model_version,
    days.next_on_topic_at is null as is_newest
from days
left join reached using (user_id, topic_id);

create table marts.topic_mastery_daily as
select * replace (user_id::varchar as user_id, topic_id::varchar as topic_id)
from mastery_days;

create view marts.topic_mastery as
with faded as (
    select
        states.*,
        as_of.as_of,
        states.log_odds_at_practice + states.log_odds_per_log_day * ln(
            1 + greatest(epoch_us(as_of.as_of) - epoch_us(states.last_practiced_at), 0) / 86400e6 / states.fading_days
        ) as log_odds
    from marts.topic_mastery_daily as states
    cross join marts.mart_as_of as as_of
    where states.is_newest
)

select
    user_id,
    topic_id,
    round(1 / (1 + exp(-log_odds)), 9) as mastery_score,
    round(1 / (1 + exp(-(log_odds - log_odds_margin))), 9) as mastery_low,
    round(1 / (1 + exp(-(log_odds + log_odds_margin))), 9) as mastery_high,
    evidence,
    questions_attempted,
    questions_correct,
    round(questions_correct / questions_attempted, 9) as accuracy,
    last_practiced_at,
    (((2 * greatest(epoch_us(as_of) - epoch_us(last_practiced_at), 0) + 86400) // 172800)::decimal(18, 0) * 0.000001)::decimal(18, 6)
        as days_since_practice,
    round((1 + exp(-log_odds_at_practice)) / (1 + exp(-log_odds)), 9) as recall,
    case
        when evidence < 3 then 'unknown'
        when as_of < mastered_until then 'mastered'
        when as_of < proficient_until then 'proficient'
        else 'learning'
    end as mastery_level,
    reached_mastered_at,
    model_version
from faded;

-- Nobody has judged the model here: that takes a fit.
create table marts.mastery_evaluation (
    model_version varchar,
    split varchar,
    method varchar,
    is_champion boolean,
    evaluated_on date,
    first_attempt_on date,
    last_attempt_on date,
    learners bigint,
    attempts bigint,
    auc double,
    log_loss double,
    ece double,
    fitted_on date,
    fitted_attempts bigint
);


-- ## Knowledge gaps

create table marts.knowledge_gap_spells as
with recursive needed as (
    select
        topic_id,
        prerequisite_topic_id
    from prerequisites
    union
    select
        needed.topic_id,
        prerequisites.prerequisite_topic_id
    from needed
    inner join prerequisites on needed.prerequisite_topic_id = prerequisites.topic_id
),

-- Of a cycle nothing comes first.
ordered as (
    select *
    from needed
    anti join needed as back on needed.topic_id = back.prerequisite_topic_id and needed.prerequisite_topic_id = back.topic_id
),

dated as (
    select
        *,
        row_number() over by_day as practice_days,
        lead(date) over by_day - 1 as last_gap_on,
        if(reached_mastered_at is not null, mastered_until, proficient_until) as holds_until
    from mastery_days
    window by_day as (partition by user_id, topic_id order by date)
),

-- The days on which a state makes its topic a gap, up to the last day that is over.
spans as (
    select
        *,
        greatest(date, coalesce((holds_until - interval 1 minute)::date, date)) as first_gap_on,
        least(coalesce(last_gap_on, getvariable('last_complete_day')), getvariable('last_complete_day')) as last_seen_on
    from dated
    where evidence >= 3 and (last_gap_on is null or first_gap_on <= last_gap_on) and first_gap_on <= getvariable('last_complete_day')
),

-- A state that makes a gap from the day on which the one before ended goes on with its spell.
linked as (
    select
        *,
        lag(last_seen_on) over (partition by user_id, topic_id order by date) = first_gap_on - 1 as goes_on
    from spans
),

opening as (
    select
        *,
        last_value(if(goes_on, null, first_gap_on) ignore nulls) over (
            partition by user_id, topic_id order by date rows between unbounded preceding and current row
        ) as opened_on
    from linked
),

spells as (
    select
        *,
        last_seen_on = getvariable('last_complete_day') as is_open
    from opening
    qualify row_number() over (partition by user_id, topic_id, opened_on order by date desc) = 1
),

blocked as (
    select
        spells.user_id,
        spells.topic_id,
        spells.opened_on,
        arg_min(blocking.topic_id, (blocking.opened_on, blocking.topic_id)) as blocking_topic_id
    from spells
    inner join prerequisites on spells.topic_id = prerequisites.topic_id
    semi join ordered
        on prerequisites.topic_id = ordered.topic_id and prerequisites.prerequisite_topic_id = ordered.prerequisite_topic_id
    inner join spells as blocking
        on
            spells.user_id = blocking.user_id
            and prerequisites.prerequisite_topic_id = blocking.topic_id
            and spells.last_seen_on between blocking.opened_on and blocking.last_seen_on
    group by spells.user_id, spells.topic_id, spells.opened_on
),

open_prerequisites as (
    select
        spells.user_id,
        spells.topic_id,
        count(*) as open_prerequisite_gaps
    from spells
    inner join ordered on spells.topic_id = ordered.topic_id
    inner join spells as earlier on spells.user_id = earlier.user_id and ordered.prerequisite_topic_id = earlier.topic_id
    where spells.is_open and earlier.is_open
    group by spells.user_id, spells.topic_id
)

select
    user_id::varchar as user_id,
    topic_id::varchar as topic_id,
    opened_on,
    if(spells.is_open, null, spells.last_seen_on + 1) as resolved_on,
    case
        when blocked.blocking_topic_id is not null then 'blocked'
        when spells.mastered_until is not null then 'forgotten'
        when spells.reached_mastered_at is null and spells.questions_attempted >= 10 and spells.practice_days >= 2 then 'wheel_spinning'
        else 'struggling'
    end as gap_type,
    blocked.blocking_topic_id::varchar as blocking_topic_id,
    if(spells.is_open, coalesce(open_prerequisites.open_prerequisite_gaps, 0), null) as open_prerequisite_gaps,
    spells.evidence,
    spells.last_practiced_at,
    spells.log_odds_at_practice,
    spells.log_odds_per_log_day,
    spells.fading_days
from spells
left join blocked using (user_id, topic_id, opened_on)
left join open_prerequisites using (user_id, topic_id);

create view marts.knowledge_gaps as
with scored as (
    select
        spells.*,
        spells.resolved_on is null as is_open,
        if(is_open, mastery.evidence, spells.evidence) as evidence_of_score,
        if(
            is_open,
            mastery.mastery_score,
            round(
                1 / (
                    1 + exp(-(
                        spells.log_odds_at_practice + spells.log_odds_per_log_day * ln(
                            1 + greatest(epoch_us(spells.resolved_on::timestamp) - epoch_us(spells.last_practiced_at), 0)
                            / 86400e6 / spells.fading_days
                        )
                    ))
                ),
                9
            )
        ) as mastery_score
    from marts.knowledge_gap_spells as spells
    left join marts.topic_mastery as mastery using (user_id, topic_id)
),

weighed as (
    select
        *,
        round(greatest(0.85e0 - mastery_score, 0) / 0.85e0, 9) as severity
    from scored
)

select
    user_id,
    topic_id,
    opened_on,
    resolved_on,
    gap_type,
    blocking_topic_id,
    severity,
    if(is_open, row_number() over (partition by user_id, is_open order by open_prerequisite_gaps asc, severity desc, topic_id asc), null)
        as priority,
    evidence_of_score as evidence,
    mastery_score
from weighed;

create table marts.user_learning_metrics as
with by_day as (
    select
        user_id,
        sum(questions_attempted)::bigint as total_questions_attempted,
        sum(questions_correct)::bigint as total_questions_correct,
        sum(reading_seconds)::decimal(18, 6) as total_reading_seconds
    from marts.daily_user_stats
    group by user_id
),

by_session as (
    select
        user_id,
        count(*) as total_sessions,
        sum(active_seconds)::decimal(18, 6) as total_active_seconds,
        round(median_of(if(ended_at is not null and not is_derived, active_seconds, null)) / 60, 9) as median_session_minutes
    from marts.study_sessions
    group by user_id
),

mastered as (
    select
        user_id,
        count(*) as topics_mastered
    from marts.topic_mastery
    where mastery_level = 'mastered'
    group by user_id
),

gaps as (
    select
        user_id,
        count(*) as open_gaps
    from marts.knowledge_gap_spells
    where resolved_on is null
    group by user_id
)

select
    user_id,
    activity.first_active_date,
    activity.last_active_date,
    coalesce(by_session.total_sessions, 0) as total_sessions,
    coalesce(by_session.total_active_seconds, 0) as total_active_seconds,
    by_day.total_questions_attempted,
    by_day.total_questions_correct,
    by_day.total_reading_seconds,
    coalesce(activity.total_active_days, 0) as total_active_days,
    coalesce(activity.active_days_28, 0) as active_days_28,
    ratio(coalesce(activity.active_days_28, 0), 28) as consistency_28,
    gamification.current_streak,
    gamification.longest_streak,
    gamification.total_xp,
    gamification.level,
    coalesce(mastered.topics_mastered, 0) as topics_mastered,
    coalesce(gaps.open_gaps, 0) as open_gaps,
    by_session.median_session_minutes,
    activity.usual_hour
from by_day
inner join marts.user_gamification as gamification using (user_id)
left join by_session using (user_id)
left join (select * replace (user_id::varchar as user_id) from activity) as activity using (user_id)
left join mastered using (user_id)
left join gaps using (user_id);


-- ## Funnels: those of dbt_project/seeds/funnels.csv that follow study events

create temp table funnels as
from (
    values
    ('quiz', 1, 'quiz_start', 24),
    ('quiz', 2, 'quiz_complete', 24),
    ('material', 1, 'material_open', 168),
    ('material', 2, 'material_read', 168),
    ('material', 3, 'material_complete', 168),
    ('question', 1, 'question_view', 1),
    ('question', 2, 'question_submit', 1),
    ('hint', 1, 'ai_hint_requested', 1),
    ('hint', 2, 'question_submit', 1)
) as declared (funnel, step, event_type, window_hours);

-- Each event with the newest first step of its entity up to its instant, and whether it lies in the window of that attempt.
-- An entity is a learner at a thing. A quiz's id may be any text: its MD5 is quicker to sort.
create temp table funnel_events as
with events_of_entities as (
    select
        funnels.funnel,
        funnels.step,
        funnels.window_hours,
        events.user_id,
        case funnels.funnel
            when 'quiz' then md5(events.quiz_id)::uuid
            when 'material' then events.material_id
            else events.question_id
        end as thing,
        events.quiz_id,
        events.event_id,
        events.event_ts
    from events
    inner join funnels on events.event_type = funnels.event_type
),

opened as (
    select
        *,
        last_value(if(step = 1, event_id, null) ignore nulls) over funnel_so_far as opened_event_id,
        last_value(if(step = 1, event_ts, null) ignore nulls) over funnel_so_far as opened_at,
        count(*) filter (step = 1) over funnel_so_far as attempt,
        count(*) filter (step = 1) over funnel_whole as attempts
    from events_of_entities
    window
        funnel_so_far as (
            partition by funnel, user_id, thing order by event_ts, step, event_id rows between unbounded preceding and current row
        ),
        funnel_whole as (
            partition by funnel, user_id, thing order by event_ts, step, event_id
            rows between unbounded preceding and unbounded following
        )
)

select
    *,
    coalesce(event_ts <= opened_at + to_hours(window_hours), false) as is_in_scope
from opened;

create temp table funnel_paths as
with second as (
    select
        funnel,
        opened_event_id,
        min(event_ts) as step_2_at
    from funnel_events
    where step = 2 and is_in_scope
    group by funnel, opened_event_id
),

third as (
    select
        events.funnel,
        events.opened_event_id,
        min(events.event_ts) as step_3_at
    from funnel_events as events
    inner join second using (funnel, opened_event_id)
    where events.step = 3 and events.is_in_scope and events.event_ts >= second.step_2_at
    group by events.funnel, events.opened_event_id
)

select
    funnel,
    first.user_id,
    first.thing,
    first.quiz_id,
    first.attempt,
    opened_event_id,
    first.opened_at,
    first.attempt < first.attempts as is_followed,
    first.window_hours,
    second.step_2_at,
    third.step_3_at,
    if(funnel = 'material', 3, 2) as steps,
    case when third.step_3_at is not null then 3 when second.step_2_at is not null then 2 else 1 end as steps_reached
from funnel_events as first
left join second using (funnel, opened_event_id)
left join third using (funnel, opened_event_id)
where first.step = 1;

create table marts.funnel_attempts as
select
    funnel,
    user_id || '|' || coalesce(replace(replace(quiz_id, '%', '%25'), '|', '%7C'), thing::varchar) as entity,
    attempt,
    opened_event_id::varchar as opened_event_id,
    opened_at,
    opened_at::date as date,
    opened_at + to_hours(window_hours) as closes_at,
    opened_at as step_1_at,
    step_2_at,
    step_3_at,
    null::timestamp as step_4_at,
    null::timestamp as step_5_at,
    null::timestamp as step_6_at,
    null::timestamp as step_7_at,
    null::timestamp as step_8_at,
    steps_reached::bigint as steps_reached,
    case
        when steps_reached = steps then 'completed'
        when is_followed or getvariable('as_of') > closes_at then 'dropped'
        else 'open'
    end as outcome,
    if(steps_reached = steps, seconds(microseconds_between(opened_at, coalesce(step_3_at, step_2_at))), null) as seconds_to_complete,
    0::bigint as collapsed_events
from funnel_paths;

create table marts.funnel_daily as
with by_attempt as (
    select
        funnel,
        opened_at::date as date,
        count(*) as attempts_1,
        count(step_2_at) as attempts_2,
        count(step_3_at) as attempts_3,
        median_of(microseconds_between(opened_at, step_2_at) / 1e6) as seconds_2,
        median_of(microseconds_between(step_2_at, step_3_at) / 1e6) as seconds_3
    from funnel_paths
    group by funnel, opened_at::date
),

entities as (
    select
        funnel,
        opened_at::date as date,
        max(steps_reached) as steps_reached
    from funnel_paths
    group by funnel, opened_at::date, user_id, thing
),

by_entity as (
    select
        funnel,
        date,
        count(*) as entities_1,
        count(*) filter (steps_reached >= 2) as entities_2,
        count(*) filter (steps_reached >= 3) as entities_3
    from entities
    group by funnel, date
),

by_event as (
    select
        funnel,
        step,
        if(is_in_scope, opened_at, event_ts)::date as date,
        count(*) filter (is_in_scope) as events,
        count(*) filter (not is_in_scope) as unattributed_events
    from funnel_events
    group by all
),

counted as (
    select
        by_attempt.funnel,
        by_attempt.date,
        funnels.step,
        funnels.event_type,
        coalesce(by_event.events, 0) as events,
        case funnels.step
            when 1 then by_attempt.attempts_1 when 2 then by_attempt.attempts_2 when 3 then by_attempt.attempts_3
        end as attempts,
        case funnels.step
            when 1 then by_entity.entities_1 when 2 then by_entity.entities_2 when 3 then by_entity.entities_3
        end as entities,
        case funnels.step when 2 then by_attempt.seconds_2 when 3 then by_attempt.seconds_3 end as median_seconds_from_previous,
        coalesce(by_event.unattributed_events, 0) as unattributed_events
    from by_attempt
    inner join by_entity on by_attempt.funnel = by_entity.funnel and by_attempt.date = by_entity.date
    inner join funnels on by_attempt.funnel = funnels.funnel
    left join by_event
        on by_attempt.funnel = by_event.funnel and by_attempt.date = by_event.date and funnels.step = by_event.step
)

select
    funnel,
    date,
    step::bigint as step,
    event_type,
    events,
    attempts,
    entities,
    ratio(attempts, lag(attempts) over path) as conversion_from_previous,
    ratio(attempts, first_value(attempts) over path) as conversion_from_first,
    ratio(entities, first_value(entities) over path) as entity_conversion_from_first,
    median_seconds_from_previous,
    unattributed_events
from counted
window path as (partition by funnel, date order by step);
