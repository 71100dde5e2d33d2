"""Three marts in pandas: `python -m benchmarks.alternatives.pandas_marts LANDING OUTPUT_FOLDER [--fast]`.

Reads the study events of a landing folder, drops copies, and writes `study_sessions`, `daily_user_stats` and
`topic_mastery` with the columns and values that Daybook gives them, as Parquet. Vectorized throughout: the events are
sorted once, ids by which rows are grouped are categories, no Python function is called per row or group.

With `--fast`, pyarrow parses the JSON into the columns that are needed, instead of `pandas.read_json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.json

from benchmarks.alternatives import inputs
from benchmarks.alternatives.inputs import Model
from benchmarks.landing import as_of as as_of_landing
from benchmarks.landing import files

IDS = ("event_id", "user_id", "session_id", "material_id", "chunk_id", "topic_id", "question_id")
PROPERTIES = {
    "device_type": pa.string(),
    "timezone": pa.string(),
    "duration_seconds": pa.float64(),
    "active_seconds": pa.float64(),
    "materials_viewed": pa.float64(),
    "questions_attempted": pa.float64(),
    "xp_earned": pa.float64(),
    "time_spent_seconds": pa.float64(),
    "scroll_depth_percent": pa.float64(),
    "is_correct": pa.bool_(),
    "xp_amount": pa.int64(),
}
# Of these a session and a day have the number of events.
COUNTED = [
    "question_submit",
    "ai_question_asked",
    "search_performed",
    "achievement_unlocked",
    "session_pause",
    "ai_hint_requested",
    "quiz_complete",
]
REPORTED = ("duration_seconds", "active_seconds", "materials_viewed", "questions_attempted", "xp_earned")

INACTIVITY = pd.Timedelta(minutes=inputs.INACTIVITY_MINUTES)
DAY = pd.Timedelta(days=1)
NEVER_ENDS = np.datetime64("9999-12-31", "us")


# --- events ---------------------------------------------------------------------------------------------------------


def read_with_pandas(path: Path) -> pd.DataFrame:
    """The events of a file."""
    events = pd.read_json(path, lines=True, dtype=False, convert_dates=False)
    properties = pd.DataFrame(events["properties"].tolist(), columns=list(PROPERTIES))
    return pd.concat([events.reindex(columns=[*IDS, "event_type", "event_ts"]), properties], axis="columns")


def read_with_arrow(path: Path) -> pd.DataFrame:
    """The same, parsed by pyarrow straight into the columns that are needed."""
    schema = pa.schema(
        [
            *((name, pa.string()) for name in IDS),
            ("event_type", pa.string()),
            ("event_ts", pa.timestamp("us", "UTC")),
            ("properties", pa.struct(list(PROPERTIES.items()))),
        ]
    )
    options = pa.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")
    table = pa.json.read_json(path, parse_options=options).flatten()
    table = table.rename_columns([name.removeprefix("properties.") for name in table.column_names])
    return table.to_pandas(types_mapper={pa.string(): pd.StringDtype("pyarrow")}.get)


def read_events(landing: Path, fast: bool) -> pd.DataFrame:
    """All events, each once, in time order."""
    read = read_with_arrow if fast else read_with_pandas
    events = pd.concat([read(path) for path in files(landing, "events")], ignore_index=True)
    for name in (*IDS, "event_type"):
        events[name] = events[name].astype("string[pyarrow]")
    for name in IDS:
        events[name] = events[name].str.lower()
    # The copy that came first stays: files are read by extract date, then name, then line.
    events = events.drop_duplicates("event_id")

    events["event_ts"] = pd.to_datetime(events["event_ts"], format="ISO8601", utc=True).dt.tz_localize(None)
    events = events.sort_values(["event_ts", "event_id"], ignore_index=True)
    events["date"] = events["event_ts"].dt.normalize()
    events["event_type"] = events["event_type"].replace("question_attempt", "question_submit")
    for name in ("event_type", "user_id", "topic_id", "question_id", "material_id", "chunk_id"):
        events[name] = events[name].astype("category")
    events["is_learning"] = ~events["event_type"].isin(inputs.NO_LEARNING_TYPES)
    events["is_correct"] = events["is_correct"].eq(True) & events["event_type"].eq("question_submit")
    return events


# --- sessions -------------------------------------------------------------------------------------------------------


def session_events(events: pd.DataFrame) -> pd.DataFrame:
    """The events that belong to a session; who has none is given one by the gaps between such events."""
    timeline = events[~events["event_type"].isin(["streak_continued", "streak_broken"])].copy()
    loose = timeline[timeline["session_id"].isna()]
    goes_on = loose.groupby("user_id", observed=True)["event_ts"].diff() <= INACTIVITY
    derived = ("derived-" + loose["event_id"]).mask(goes_on).groupby(loose["user_id"], observed=True).ffill()
    timeline["is_derived"] = timeline["session_id"].isna()
    timeline["session_id"] = timeline["session_id"].fillna(derived).astype("category")

    in_session = timeline.groupby("session_id", observed=True, sort=False)["event_ts"]
    timeline["next_ts"] = in_session.shift(-1)
    is_end = timeline["event_type"] == "session_end"
    # Nobody was there any more when it ended.
    timeline["is_late_end"] = is_end & (timeline["event_ts"] - in_session.shift() > INACTIVITY)
    is_presence = timeline["is_learning"] | timeline["event_type"].isin(
        ["session_start", "session_resume", "session_end"]
    )
    paused = pd.Series(
        np.select([timeline["event_type"] == "session_pause", is_presence], [1.0, 0.0], np.nan), timeline.index
    )
    timeline["is_paused"] = paused.groupby(timeline["session_id"], observed=True, sort=False).ffill() == 1
    return timeline


def session_spans(timeline: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """When each session began and how it ended, by `session_id`."""
    sessions = timeline.groupby("session_id", observed=True).agg(
        user_id=("user_id", "first"),
        is_derived=("is_derived", "first"),
        started_at=("event_ts", "min"),
        events=("event_id", "size"),
    )
    present = timeline[~timeline["is_late_end"]]
    last_present_at = present.groupby("session_id", observed=True)["event_ts"].max()
    learning = timeline[timeline["is_learning"]]
    last_learning_at = learning.groupby("session_id", observed=True)["event_ts"].max().reindex(sessions.index)

    last_end = last_of_sessions(timeline, "session_end").reindex(sessions.index)
    explicit = last_end["event_ts"].mask(last_end["is_late_end"].eq(True) | (last_learning_at > last_end["event_ts"]))
    timeout = last_present_at.where(as_of - last_present_at > INACTIVITY)
    sessions["ended_at"] = explicit.fillna(timeout)
    sessions["end_reason"] = np.select([explicit.notna(), timeout.notna()], ["explicit", "timeout"], "active")
    sessions["is_active"] = sessions["ended_at"].isna()
    sessions["until"] = sessions["ended_at"].fillna(last_present_at)
    return sessions


def last_of_sessions(timeline: pd.DataFrame, event_type: str) -> pd.DataFrame:
    """The last event of a type of each session, by `session_id`."""
    rows = timeline[timeline["event_type"] == event_type]
    return rows.drop_duplicates("session_id", keep="last").set_index("session_id")


def active_gaps(timeline: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """The gaps between consecutive events of a session that count as active time."""
    until = timeline["session_id"].map(sessions["until"]).astype("datetime64[ns]")
    is_active = (
        (timeline["next_ts"] - timeline["event_ts"] <= INACTIVITY)
        & (timeline["event_ts"] < until)
        & (timeline["event_type"] != "session_end")
        & ~timeline["is_paused"]
    )
    return timeline.loc[is_active, ["session_id", "event_ts", "next_ts", "date"]]


def activity(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The counts that sessions and days have in common."""
    counts = rows.groupby([*by, "event_type"], observed=True).size().unstack(fill_value=0)
    types = counts.reindex(columns=COUNTED, fill_value=0)
    reads = rows[rows["event_type"] == "material_read"]
    viewed = rows[rows["event_type"].isin(["material_open", "material_read"])]
    completed = pd.concat(
        [
            rows[rows["event_type"] == "material_complete"],
            reads[reads["scroll_depth_percent"].round(6) >= inputs.COMPLETE_SCROLL_DEPTH],
        ]
    )
    counted = pd.DataFrame(
        {
            "materials_viewed": viewed.groupby(by, observed=True)["material_id"].nunique(),
            "materials_completed": completed.groupby(by, observed=True)["material_id"].nunique(),
            "chunks_read": reads.groupby(by, observed=True)["chunk_id"].nunique(),
            "questions_attempted": types["question_submit"],
            "questions_correct": rows[rows["is_correct"]].groupby(by, observed=True).size(),
            "ai_interactions": types["ai_question_asked"],
            "searches": types["search_performed"],
            "xp_earned": rows[rows["event_type"] == "xp_earned"].groupby(by, observed=True)["xp_amount"].sum(),
            "achievements_unlocked": types["achievement_unlocked"],
            "pause_count": types["session_pause"],
            "hints_requested": types["ai_hint_requested"],
            "quizzes_completed": types["quiz_complete"],
        },
        index=counts.index,
    )
    return counted.fillna(0).astype("int64")


def overlaps(sessions: pd.DataFrame) -> pd.Series:
    """Whether the span of a session shares more than a point with another one of its user."""
    spans = sessions[sessions["until"] > sessions["started_at"]].reset_index()
    spans = spans.sort_values(["user_id", "started_at", "session_id"])
    users = spans["user_id"]
    earlier = spans.groupby("user_id", observed=True)["until"].cummax().groupby(users, observed=True).shift()
    later = spans.groupby("user_id", observed=True)["started_at"].shift(-1)
    overlapping = (earlier > spans["started_at"]) | (later < spans["until"])
    return sessions.index.isin(spans.loc[overlapping, "session_id"])


def seconds(spans: pd.Series) -> pd.Series:
    """Spans of time as seconds, from whole microseconds."""
    return spans.dt.total_seconds().round(6)


def study_sessions(timeline: pd.DataFrame, sessions: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """One row a session."""
    mart = sessions.join(activity(timeline, ["session_id"]))
    mart["duration_seconds"] = seconds(mart["ended_at"] - mart["started_at"])
    active = (gaps["next_ts"] - gaps["event_ts"]).groupby(gaps["session_id"], observed=True).sum()
    mart["active_seconds"] = seconds(active.reindex(mart.index, fill_value=pd.Timedelta(0)))
    starts = timeline[timeline["event_type"] == "session_start"].groupby("session_id", observed=True)
    mart = mart.join(starts[["device_type", "timezone"]].first())
    after_end = timeline["event_ts"] > timeline["session_id"].map(sessions["ended_at"]).astype("datetime64[ns]")
    mart["events_after_end"] = after_end.groupby(timeline["session_id"], observed=True).sum()
    mart["overlaps_other_session"] = overlaps(sessions)
    reported = last_of_sessions(timeline, "session_end")[list(REPORTED)].astype("float64").round(6)
    mart = mart.join(reported.add_prefix("reported_")).reset_index()
    return mart[
        [
            "session_id",
            "user_id",
            "is_derived",
            "started_at",
            "ended_at",
            "end_reason",
            "is_active",
            "duration_seconds",
            "active_seconds",
            "pause_count",
            "materials_viewed",
            "materials_completed",
            "chunks_read",
            "questions_attempted",
            "questions_correct",
            "ai_interactions",
            "xp_earned",
            "achievements_unlocked",
            "searches",
            "device_type",
            "timezone",
            "events",
            "events_after_end",
            "overlaps_other_session",
            *(f"reported_{name}" for name in REPORTED),
        ]
    ]


# --- days -----------------------------------------------------------------------------------------------------------


def daily_user_stats(events: pd.DataFrame, sessions: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """One row a (user, date) with an event or active seconds."""
    by = ["user_id", "date"]
    users = gaps["session_id"].map(sessions["user_id"])
    midnight = gaps["date"] + DAY
    days = pd.concat(
        [
            pd.DataFrame(
                {
                    "user_id": users,
                    "date": gaps["date"],
                    "active": gaps["next_ts"].clip(upper=midnight) - gaps["event_ts"],
                }
            ),
            pd.DataFrame({"user_id": users, "date": midnight, "active": gaps["next_ts"] - midnight}),
        ]
    )
    active = days[days["active"] > pd.Timedelta(0)].groupby(by, observed=True)["active"].sum()

    counts = activity(events, by)
    mart = counts.reindex(counts.index.union(active.index), fill_value=0)
    mart["active_seconds"] = seconds(active.reindex(mart.index, fill_value=pd.Timedelta(0)))
    mart["accuracy"] = (mart["questions_correct"] / mart["questions_attempted"]).round(9)
    starts = sessions.assign(date=sessions["started_at"].dt.normalize())
    mart["sessions_started"] = starts.groupby(by, observed=True).size()
    reads = events[events["event_type"] == "material_read"]
    microseconds = (reads["time_spent_seconds"].astype("float64") * 1e6).round().astype("int64")
    mart["reading_seconds"] = microseconds.groupby([reads["user_id"], reads["date"]], observed=True).sum() / 1e6
    attempts = events[events["event_type"] == "question_submit"]
    first = attempts.drop_duplicates(["user_id", "question_id"])
    mart["first_attempts"] = first.groupby(by, observed=True).size()
    learning = events[events["is_learning"]]
    mart["topics_studied"] = learning.groupby(by, observed=True)["topic_id"].nunique()

    active_days = learning[by].drop_duplicates().sort_values(by)
    number = active_days.groupby("user_id", observed=True).cumcount()
    # Consecutive days less their number are one and the same day: the run they belong to.
    run = active_days["date"] - pd.to_timedelta(number, unit="D")
    active_days["streak_days"] = active_days.groupby(["user_id", run], observed=True).cumcount() + 1
    mart["streak_days"] = active_days.set_index(by)["streak_days"]
    mart["is_active_day"] = mart["streak_days"].notna()

    counted = ["sessions_started", "first_attempts", "topics_studied", "streak_days"]
    mart[counted] = mart[counted].fillna(0).astype("int64")
    mart["reading_seconds"] = mart["reading_seconds"].fillna(0)
    mart = mart.reset_index()
    mart["date"] = mart["date"].astype("date32[pyarrow]")
    return mart[
        [
            "user_id",
            "date",
            "sessions_started",
            "active_seconds",
            "materials_viewed",
            "materials_completed",
            "chunks_read",
            "reading_seconds",
            "questions_attempted",
            "questions_correct",
            "accuracy",
            "first_attempts",
            "topics_studied",
            "ai_interactions",
            "hints_requested",
            "quizzes_completed",
            "searches",
            "xp_earned",
            "achievements_unlocked",
            "is_active_day",
            "streak_days",
        ]
    ]


# --- mastery --------------------------------------------------------------------------------------------------------


def topic_mastery(events: pd.DataFrame, model: Model, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row a (user, topic) with an attempt, as of as-of."""
    attempts = events.loc[events["event_type"] == "question_submit", ["user_id", "topic_id", "event_ts", "is_correct"]]
    attempts = attempts.reset_index(drop=True)
    log_odds, practice, correct_on_topic = log_odds_after(attempts, model)
    coefficients = model.coefficients
    states = pd.DataFrame(
        {
            "user_id": attempts["user_id"],
            "topic_id": attempts["topic_id"],
            "last_practiced_at": attempts["event_ts"],
            "questions_attempted": practice,
            "questions_correct": correct_on_topic,
            "evidence": (4 * model.information * practice).round(9),
            "log_odds": log_odds.round(9),
            "slope": (coefficients["topic_fading_of_practice"] * np.log1p(practice)).round(9),
        }
    )
    variance = coefficients["interval_variance"] + coefficients["interval_newness"] / (1 + states["evidence"])
    width = np.sqrt(variance * np.cosh(states["log_odds"].abs().clip(upper=4) / 2))
    states["margin"] = (inputs.NORMAL_95 * width).round(9)
    to_mastered = np.minimum(
        states["log_odds"] - logit(inputs.MASTERED), states["log_odds"] - states["margin"] - logit(inputs.MASTERED_LOW)
    )
    states["mastered_until"] = lasts_until(states, to_mastered, coefficients["fading_days"])
    to_proficient = states["log_odds"] - logit(inputs.PROFICIENT)
    states["proficient_until"] = lasts_until(states, to_proficient, coefficients["fading_days"])
    is_mastered = states["mastered_until"].notna() & (states["evidence"] >= inputs.MIN_EVIDENCE)
    states["reached_mastered_at"] = states["last_practiced_at"].where(is_mastered)

    pair = ["user_id", "topic_id"]
    mart = states.drop_duplicates(pair, keep="last").set_index(pair)
    mart["reached_mastered_at"] = states.groupby(pair, observed=True)["reached_mastered_at"].min()
    mart = mart.reset_index()
    since = (as_of - mart["last_practiced_at"]).clip(lower=pd.Timedelta(0)) // pd.Timedelta(microseconds=1)
    faded = mart["log_odds"] + mart["slope"] * np.log1p(since / 86_400e6 / coefficients["fading_days"])
    mart["mastery_score"] = probability(faded).round(9)
    mart["mastery_low"] = probability(faded - mart["margin"]).round(9)
    mart["mastery_high"] = probability(faded + mart["margin"]).round(9)
    mart["accuracy"] = (mart["questions_correct"] / mart["questions_attempted"]).round(9)
    mart["days_since_practice"] = (2 * since + 86_400) // 172_800 / 1e6
    mart["recall"] = (probability(faded) / probability(mart["log_odds"])).round(9)
    mart["mastery_level"] = np.select(
        [mart["evidence"] < inputs.MIN_EVIDENCE, mart["mastered_until"] > as_of, mart["proficient_until"] > as_of],
        ["unknown", "mastered", "proficient"],
        "learning",
    )
    mart["model_version"] = model.version
    return mart[
        [
            *pair,
            "mastery_score",
            "mastery_low",
            "mastery_high",
            "evidence",
            "questions_attempted",
            "questions_correct",
            "accuracy",
            "last_practiced_at",
            "days_since_practice",
            "recall",
            "mastery_level",
            "reached_mastered_at",
            "model_version",
        ]
    ]


def log_odds_after(attempts: pd.DataFrame, model: Model) -> tuple[pd.Series, pd.Series, pd.Series]:
    """After each attempt: the log-odds of the next one on its topic; attempts and correct answers there so far."""
    coefficients = model.coefficients
    correct = attempts["is_correct"].astype("int64")
    log_odds = coefficients["intercept"] + coefficients["topic_pause"] * np.log(2)
    for level, by in (("learner", ["user_id"]), ("topic", ["user_id", "topic_id"])):
        groups = attempts.groupby(by, observed=True, sort=False)
        n = groups.cumcount() + 1
        s = correct.groupby([attempts[name] for name in by], observed=True, sort=False).cumsum()
        before = s.groupby([attempts[name] for name in by], observed=True, sort=False)
        sizes, drawn = inputs.MEMORIES[level]
        for size in sizes:
            held = n if size is None else n.clip(upper=size)
            right = s if size is None else s - before.shift(size).fillna(0)
            name = f"{level}_{size or 'all'}"
            strength = (right - held * model.expected) / (held * model.information + drawn)
            log_odds = (
                log_odds
                + coefficients[f"{name}_correct"] * np.log1p(right)
                + coefficients[f"{name}_wrong"] * np.log1p(held - right)
                + coefficients[f"{name}_strength"] * strength
            )
            if name == "learner_100":
                log_odds = log_odds + coefficients["learner_100_correct_of_attempts"] * np.log1p(right) * np.log1p(n)
        log_odds = log_odds + coefficients[f"{level}_attempts"] * np.log1p(n)
    return log_odds, n, s


def lasts_until(states: pd.DataFrame, margin: pd.Series, fading_days: float) -> pd.Series:
    """When log-odds that pass a threshold by a margin have faded below it, cut to minutes; null where they do not."""
    fading = -states["slope"]
    # Bounded: it only has to come out longer than the longest.
    days = fading_days * np.expm1(np.minimum(margin / fading.where(fading > 0), 40))
    never_ends = (fading <= 0) | (days > inputs.LONGEST_DAYS)
    lasting = np.floor(days.mask(never_ends | (margin < 0), 0) * 86_400e6).astype("timedelta64[us]")
    until = (states["last_practiced_at"].astype("datetime64[us]") + lasting).dt.floor("min")
    return until.mask(never_ends, NEVER_ENDS).mask(margin < 0)


def probability(log_odds: pd.Series) -> pd.Series:
    """The probability that belongs to log-odds."""
    return 1 / (1 + np.exp(-log_odds))


def logit(share: float) -> float:
    """The log-odds that belong to a probability."""
    return float(np.log(share / (1 - share)))


def main(arguments: list[str] | None = None) -> None:
    """Write the three marts of a landing folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alternatives.pandas_marts", description=__doc__)
    parser.add_argument("landing", type=Path)
    parser.add_argument("output", type=Path, help="the folder that the marts are written to")
    parser.add_argument("--fast", action="store_true", help="let pyarrow parse the JSON")
    options = parser.parse_args(arguments)

    as_of = pd.Timestamp(as_of_landing(options.landing))
    events = read_events(options.landing, options.fast)
    timeline = session_events(events)
    sessions = session_spans(timeline, as_of)
    gaps = active_gaps(timeline, sessions)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, mart in (
        ("study_sessions", study_sessions(timeline, sessions, gaps)),
        ("daily_user_stats", daily_user_stats(events, sessions, gaps)),
        ("topic_mastery", topic_mastery(events, inputs.shipped_model(), as_of)),
    ):
        mart.to_parquet(options.output / f"{name}.parquet", index=False, coerce_timestamps="us")


if __name__ == "__main__":
    main()
