"""Three marts in Spark SQL on this machine: `python -m benchmarks.alternatives.spark_marts LANDING OUTPUT_FOLDER`.

Reads the study events of a landing folder, drops copies, and writes `study_sessions`, `daily_user_stats` and
`topic_mastery` with the columns and values that Daybook gives them, each as a folder of Parquet files. With what one
sets on a laptop: all cores, 4 GB, few partitions to shuffle, and what several marts read is kept in memory.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pyspark.sql import SparkSession

from benchmarks.alternatives import inputs
from benchmarks.alternatives.inputs import Model
from benchmarks.landing import as_of as as_of_landing
from benchmarks.landing import files

SETTINGS = {
    "spark.driver.memory": "4g",
    "spark.log.level": "ERROR",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "4",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}

SCHEMA = """
    event_id string, event_type string, event_ts string, user_id string, session_id string, material_id string,
    chunk_id string, topic_id string, question_id string,
    properties struct<
        device_type: string, timezone: string, duration_seconds: double, active_seconds: double,
        materials_viewed: double, questions_attempted: double, xp_earned: double, time_spent_seconds: double,
        scroll_depth_percent: double, is_correct: boolean, xp_amount: bigint
    >
"""

INACTIVITY = f"interval {inputs.INACTIVITY_MINUTES} minutes"

# What is a view, by name, in the order in which they build upon each other; `lines` is what is read.
EVENTS = f"""
    with copies as (
        select
            lower(event_id) as event_id,
            if(event_type = 'question_attempt', 'question_submit', event_type) as event_type,
            cast(event_ts as timestamp) as event_ts,
            lower(user_id) as user_id,
            lower(session_id) as session_id,
            lower(material_id) as material_id,
            lower(chunk_id) as chunk_id,
            lower(topic_id) as topic_id,
            lower(question_id) as question_id,
            properties.*,
            -- The copy that came first stays: by extract date, file and line.
            row_number() over (partition by lower(event_id) order by extract_date, file_name, block, line) as copy
        from lines
    )
    select
        *,
        cast(event_ts as date) as date,
        event_type not in {inputs.NO_LEARNING_TYPES} as is_learning,
        event_type = 'material_complete' or (
            event_type = 'material_read' and round(scroll_depth_percent, 6) >= {inputs.COMPLETE_SCROLL_DEPTH}
        ) as completes_material
    from copies
    where copy = 1
"""

TIMELINE = f"""
    with in_sessions as (
        select *, session_id is null as is_derived
        from events
        where event_type not in ('streak_continued', 'streak_broken')
    ),

    gaps as (
        select *, lag(event_ts) over (partition by user_id, is_derived order by event_ts, event_id) as previous_ts
        from in_sessions
    ),

    named as (
        select
            * except (session_id, previous_ts),
            coalesce(
                session_id,
                'derived-' || last(if(event_ts <= previous_ts + {INACTIVITY}, null, event_id), true) over (
                    partition by user_id, is_derived order by event_ts, event_id
                    rows between unbounded preceding and current row
                )
            ) as session_id
        from gaps
    ),

    placed as (
        select
            *,
            row_number() over in_time as position,
            lag(event_ts) over in_time as previous_ts,
            lead(event_ts) over in_time as next_ts,
            last(
                case
                    when event_type = 'session_pause' then true
                    when is_learning or event_type in ('session_start', 'session_resume', 'session_end') then false
                end,
                true
            ) over so_far as is_paused
        from named
        window
            in_time as (partition by session_id order by event_ts, event_id),
            so_far as (
                partition by session_id order by event_ts, event_id
                rows between unbounded preceding and current row
            )
    )
    select
        *,
        -- Nobody was there any more when it ended.
        event_type = 'session_end' and coalesce(event_ts > previous_ts + {INACTIVITY}, false) as is_late_end
    from placed
"""

# The counts that sessions and days have in common.
ACTIVITY = """
    size(collect_set(if(event_type in ('material_open', 'material_read'), material_id, null))) as materials_viewed,
    size(collect_set(if(completes_material, material_id, null))) as materials_completed,
    size(collect_set(if(event_type = 'material_read', chunk_id, null))) as chunks_read,
    count_if(event_type = 'question_submit') as questions_attempted,
    count_if(event_type = 'question_submit' and is_correct) as questions_correct,
    count_if(event_type = 'ai_question_asked') as ai_interactions,
    count_if(event_type = 'search_performed') as searches,
    coalesce(sum(if(event_type = 'xp_earned', xp_amount, null)), 0) as xp_earned,
    count_if(event_type = 'achievement_unlocked') as achievements_unlocked,
"""

SPANS = f"""
    with sessions as (
        select
            session_id,
            is_derived,
            min_by(user_id, position) as user_id,
            min(event_ts) as started_at,
            max(if(is_late_end, null, event_ts)) as last_present_at,
            max(if(is_learning, event_ts, null)) as last_learning_at,
            max_by(
                struct(
                    event_ts, is_late_end, duration_seconds, active_seconds, materials_viewed, questions_attempted,
                    xp_earned
                ),
                position
            ) filter (where event_type = 'session_end') as last_end,
            min_by(device_type, position) filter (where event_type = 'session_start' and device_type is not null)
                as device_type,
            min_by(timezone, position) filter (where event_type = 'session_start' and timezone is not null) as timezone,
            count_if(event_type = 'session_pause') as pause_count,
            {ACTIVITY}
            count(*) as events
        from timeline
        group by session_id, is_derived
    ),

    ends as (
        select
            *,
            if(last_end.is_late_end or last_learning_at > last_end.event_ts, null, last_end.event_ts)
                as explicit_end_at,
            if(as_of > last_present_at + {INACTIVITY}, last_present_at, null) as timeout_at
        from sessions
        cross join as_of
    )
    select
        *,
        coalesce(explicit_end_at, timeout_at) as ended_at,
        coalesce(explicit_end_at, last_present_at) as until,
        case
            when explicit_end_at is not null then 'explicit'
            when timeout_at is not null then 'timeout'
            else 'active'
        end as end_reason
    from ends
"""

# The gaps between consecutive events of a session that count as active time.
GAPS = f"""
    select timeline.session_id, spans.user_id, timeline.event_ts, timeline.next_ts
    from timeline
    inner join spans on timeline.session_id = spans.session_id
    where
        timeline.next_ts <= timeline.event_ts + {INACTIVITY}
        and timeline.event_ts < spans.until
        and timeline.event_type != 'session_end'
        and not coalesce(timeline.is_paused, false)
"""

STUDY_SESSIONS = """
    with active as (
        select session_id, sum(unix_micros(next_ts) - unix_micros(event_ts)) as microseconds
        from gaps
        group by session_id
    ),

    after_end as (
        select timeline.session_id, count_if(timeline.event_ts > spans.ended_at) as events
        from timeline
        inner join spans on timeline.session_id = spans.session_id
        group by timeline.session_id
    ),

    neighbours as (
        select
            session_id,
            max(until) over (
                partition by user_id order by started_at, session_id rows between unbounded preceding and 1 preceding
            ) > started_at as overlaps_earlier,
            lead(started_at) over (partition by user_id order by started_at, session_id) < until as overlaps_later
        from spans
        where until > started_at
    )
    select
        spans.session_id,
        spans.user_id,
        spans.is_derived,
        spans.started_at,
        spans.ended_at,
        spans.end_reason,
        spans.ended_at is null as is_active,
        cast((unix_micros(spans.ended_at) - unix_micros(spans.started_at)) / 1e6 as decimal(18, 6)) as duration_seconds,
        cast(coalesce(active.microseconds, 0) / 1e6 as decimal(18, 6)) as active_seconds,
        spans.pause_count,
        spans.materials_viewed,
        spans.materials_completed,
        spans.chunks_read,
        spans.questions_attempted,
        spans.questions_correct,
        spans.ai_interactions,
        spans.xp_earned,
        spans.achievements_unlocked,
        spans.searches,
        spans.device_type,
        spans.timezone,
        spans.events,
        after_end.events as events_after_end,
        coalesce(neighbours.overlaps_earlier, false) or coalesce(neighbours.overlaps_later, false)
            as overlaps_other_session,
        cast(spans.last_end.duration_seconds as decimal(18, 6)) as reported_duration_seconds,
        cast(spans.last_end.active_seconds as decimal(18, 6)) as reported_active_seconds,
        cast(spans.last_end.materials_viewed as decimal(18, 6)) as reported_materials_viewed,
        cast(spans.last_end.questions_attempted as decimal(18, 6)) as reported_questions_attempted,
        cast(spans.last_end.xp_earned as decimal(18, 6)) as reported_xp_earned
    from spans
    inner join after_end on spans.session_id = after_end.session_id
    left join active on spans.session_id = active.session_id
    left join neighbours on spans.session_id = neighbours.session_id
"""

DAILY_USER_STATS = f"""
    with by_event as (
        select
            user_id,
            date,
            {ACTIVITY}
            coalesce(sum(if(event_type = 'material_read', cast(time_spent_seconds as decimal(18, 6)), null)), 0)
                as reading_seconds,
            size(collect_set(if(is_learning, topic_id, null))) as topics_studied,
            count_if(event_type = 'ai_hint_requested') as hints_requested,
            count_if(event_type = 'quiz_complete') as quizzes_completed,
            bool_or(is_learning) as is_active_day
        from events
        group by user_id, date
    ),

    parts as (
        select
            user_id,
            cast(event_ts as date) as date,
            unix_micros(least(next_ts, cast(date_add(cast(event_ts as date), 1) as timestamp))) - unix_micros(event_ts)
                as microseconds
        from gaps
        union all
        select
            user_id,
            cast(next_ts as date) as date,
            unix_micros(next_ts) - unix_micros(cast(cast(next_ts as date) as timestamp)) as microseconds
        from gaps
        where cast(next_ts as date) > cast(event_ts as date)
    ),

    by_part as (
        select user_id, date, sum(microseconds) as microseconds
        from parts
        where microseconds > 0
        group by user_id, date
    ),

    attempts as (
        select
            user_id,
            date,
            row_number() over (partition by user_id, question_id order by event_ts, event_id) as number
        from events
        where event_type = 'question_submit'
    ),

    by_attempt as (
        select user_id, date, count_if(number = 1) as first_attempts
        from attempts
        group by user_id, date
    ),

    by_session as (
        select user_id, cast(started_at as date) as date, count(*) as sessions_started
        from spans
        group by user_id, cast(started_at as date)
    ),

    -- Consecutive days less their number are one and the same day: the run they belong to.
    runs as (
        select
            user_id,
            date,
            date_sub(date, cast(row_number() over (partition by user_id order by date) as int)) as run
        from by_event
        where is_active_day
    ),

    streaks as (
        select user_id, date, row_number() over (partition by user_id, run order by date) as streak_days
        from runs
    )
    select
        user_id,
        date,
        coalesce(sessions_started, 0) as sessions_started,
        cast(coalesce(microseconds, 0) / 1e6 as decimal(18, 6)) as active_seconds,
        coalesce(materials_viewed, 0) as materials_viewed,
        coalesce(materials_completed, 0) as materials_completed,
        coalesce(chunks_read, 0) as chunks_read,
        coalesce(reading_seconds, 0) as reading_seconds,
        coalesce(questions_attempted, 0) as questions_attempted,
        coalesce(questions_correct, 0) as questions_correct,
        round(questions_correct / nullif(questions_attempted, 0), 9) as accuracy,
        coalesce(first_attempts, 0) as first_attempts,
        coalesce(topics_studied, 0) as topics_studied,
        coalesce(ai_interactions, 0) as ai_interactions,
        coalesce(hints_requested, 0) as hints_requested,
        coalesce(quizzes_completed, 0) as quizzes_completed,
        coalesce(searches, 0) as searches,
        coalesce(xp_earned, 0) as xp_earned,
        coalesce(achievements_unlocked, 0) as achievements_unlocked,
        coalesce(is_active_day, false) as is_active_day,
        coalesce(streak_days, 0) as streak_days
    from by_event
    full join by_part using (user_id, date)
    left join by_attempt using (user_id, date)
    left join by_session using (user_id, date)
    left join streaks using (user_id, date)
"""


def log_odds(model: Model) -> Iterator[str]:
    """The terms of the log-odds of a next attempt on the topic, right after one; over the columns of `sums`."""
    coefficient = model.coefficients
    yield f"{coefficient['intercept']}D + {coefficient['topic_pause']}D * ln(2D)"
    for level, (sizes, drawn) in inputs.MEMORIES.items():
        for size in sizes:
            name = f"{level}_{size or 'all'}"
            held = f"least({level}_n, {size})" if size else f"{level}_n"
            right = f"({level}_s - {level}_s_{size}_ago)" if size else f"{level}_s"
            yield f"{coefficient[f'{name}_correct']}D * ln(1 + {right})"
            yield f"{coefficient[f'{name}_wrong']}D * ln(1 + {held} - {right})"
            yield (
                f"{coefficient[f'{name}_strength']}D * ({right} - {held} * {model.expected}D)"
                f" / ({held} * {model.information}D + {drawn}D)"
            )
            if name == "learner_100":
                of_attempts = coefficient["learner_100_correct_of_attempts"]
                yield f"{of_attempts}D * ln(1 + {right}) * ln(1 + {level}_n)"
        yield f"{coefficient[f'{level}_attempts']}D * ln(1 + {level}_n)"


def topic_mastery(model: Model) -> str:
    """One row a (user, topic) with an attempt, as of as-of."""
    coefficient = model.coefficients
    learner = "partition by user_id order by event_ts, event_id"
    topic = "partition by user_id, topic_id order by event_ts, event_id"
    so_far = "rows between unbounded preceding and current row"
    ago = ",\n".join(
        f"lag({level}_s, {size}, 0) over {level} as {level}_s_{size}_ago"
        for level, (sizes, _) in inputs.MEMORIES.items()
        for size in sizes
        if size
    )
    fading_days = f"{coefficient['fading_days']}D"

    def lasts_until(margin: str) -> str:
        # Where nothing fades the exponent is null, and 40 is the least.
        days = f"({fading_days} * (exp(least({margin} / nullif(-slope, 0D), 40D)) - 1))"
        end = f"timestamp_micros(unix_micros(event_ts) + floor(least({days}, {inputs.LONGEST_DAYS}D) * 86400e6D))"
        return f"""case
            when {margin} < 0 then null
            when {days} > {inputs.LONGEST_DAYS} then timestamp '9999-12-31 00:00:00'
            else date_trunc('minute', {end})
        end"""

    def log_odds_of(share: float) -> str:
        return f"ln({share}D / (1 - {share}D))"

    def probability(log_odds: str) -> str:
        return f"(1 / (1 + exp(-({log_odds}))))"

    to_mastered = (
        f"least(log_odds - {log_odds_of(inputs.MASTERED)}, log_odds - margin - {log_odds_of(inputs.MASTERED_LOW)})"
    )
    return f"""
        with so_far as (
            select
                *,
                row_number() over ({learner}) as learner_n,
                row_number() over ({topic}) as topic_n,
                sum(int(is_correct)) over ({learner} {so_far}) as learner_s,
                sum(int(is_correct)) over ({topic} {so_far}) as topic_s
            from events
            where event_type = 'question_submit'
        ),

        sums as (
            select *, {ago}
            from so_far
            window learner as ({learner}), topic as ({topic})
        ),

        states as (
            select
                user_id,
                topic_id,
                event_ts,
                topic_n,
                topic_s,
                round(4 * {model.information}D * topic_n, 9) as evidence,
                round({" + ".join(log_odds(model))}, 9) as log_odds,
                round({coefficient["topic_fading_of_practice"]}D * ln(1 + topic_n), 9) as slope
            from sums
        ),

        intervals as (
            select
                *,
                round(
                    {inputs.NORMAL_95}D * sqrt(
                        ({coefficient["interval_variance"]}D + {coefficient["interval_newness"]}D / (1 + evidence))
                        * cosh(least(abs(log_odds), 4D) / 2)
                    ),
                    9
                ) as margin
            from states
        ),

        levels as (
            select
                *,
                {lasts_until(to_mastered)} as mastered_until,
                {lasts_until(f"(log_odds - {log_odds_of(inputs.PROFICIENT)})")} as proficient_until
            from intervals
        ),

        pairs as (
            select
                user_id,
                topic_id,
                min(if(mastered_until is not null and evidence >= {inputs.MIN_EVIDENCE}, event_ts, null))
                    as reached_mastered_at,
                max_by(
                    struct(
                        event_ts, topic_n, topic_s, evidence, log_odds, slope, margin, mastered_until, proficient_until
                    ),
                    topic_n
                ) as newest
            from levels
            group by user_id, topic_id
        ),

        at_as_of as (
            select
                *,
                greatest(unix_micros(as_of) - unix_micros(newest.event_ts), 0) as since
            from pairs
            cross join as_of
        ),

        faded as (
            select *, newest.log_odds + newest.slope * ln(1 + since / 86400e6D / {fading_days}) as log_odds
            from at_as_of
        )
        select
            user_id,
            topic_id,
            round({probability("log_odds")}, 9) as mastery_score,
            round({probability("log_odds - newest.margin")}, 9) as mastery_low,
            round({probability("log_odds + newest.margin")}, 9) as mastery_high,
            newest.evidence as evidence,
            newest.topic_n as questions_attempted,
            newest.topic_s as questions_correct,
            round(newest.topic_s / newest.topic_n, 9) as accuracy,
            newest.event_ts as last_practiced_at,
            cast(((2 * since + 86400) div 172800) / 1e6 as decimal(18, 6)) as days_since_practice,
            round({probability("log_odds")} / {probability("newest.log_odds")}, 9) as recall,
            case
                when newest.evidence < {inputs.MIN_EVIDENCE} then 'unknown'
                when as_of < newest.mastered_until then 'mastered'
                when as_of < newest.proficient_until then 'proficient'
                else 'learning'
            end as mastery_level,
            reached_mastered_at,
            '{model.version}' as model_version
        from faded
    """


def read_lines(spark: SparkSession, files: list[Path]) -> None:
    """Make a view `lines` of the files, each row with the place that it has among all copies."""
    read = spark.read.schema(SCHEMA).json([file.absolute().as_uri() for file in files])
    read.selectExpr(
        "*",
        "element_at(split(_metadata.file_path, '/'), -2) as extract_date",
        "_metadata.file_name as file_name",
        "_metadata.file_block_start as block",
        "monotonically_increasing_id() as line",
    ).createOrReplaceTempView("lines")


def build(spark: SparkSession, files: list[Path], as_of: dt.datetime, output: Path) -> None:
    """Write the three marts."""
    read_lines(spark, files)
    spark.sql(f"create temporary view as_of as select timestamp '{as_of}' as as_of")
    for name, query in (("events", EVENTS), ("timeline", TIMELINE), ("spans", SPANS), ("gaps", GAPS)):
        # `cache table` would not do: Spark does not find it again in a query with CTEs, and would read the files anew.
        spark.sql(query).localCheckpoint().createOrReplaceTempView(name)
    for name, query in (
        ("study_sessions", STUDY_SESSIONS),
        ("daily_user_stats", DAILY_USER_STATS),
        ("topic_mastery", topic_mastery(inputs.shipped_model())),
    ):
        spark.sql(query).write.mode("overwrite").parquet(str(output.absolute() / name))


def main(arguments: list[str] | None = None) -> None:
    """Write the three marts of a landing folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alternatives.spark_marts", description=__doc__)
    parser.add_argument("landing", type=Path)
    parser.add_argument("output", type=Path, help="the folder that the marts are written to")
    options = parser.parse_args(arguments)

    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    with tempfile.TemporaryDirectory(prefix="spark-") as scratch:
        builder = SparkSession.builder.master("local[*]").appName("alternatives")
        for name, value in {**SETTINGS, "spark.local.dir": scratch, "spark.sql.warehouse.dir": scratch}.items():
            builder = builder.config(name, value)
        spark = builder.getOrCreate()
        try:
            build(spark, files(options.landing, "events"), as_of_landing(options.landing), options.output)
        finally:
            java = spark.sparkContext._gateway.proc
            spark.stop()
            # It ends with its input; who waits for it is told what it took.
            java.stdin.close()
            java.wait()


if __name__ == "__main__":
    main()
