"""Random histories: the same for the same seed, and every case is in them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.reference import COLUMNS, KEYS, Load, assert_same, build
from tests.reference.histories import TIME_FIELDS, History, Name, file_bytes, history, limit
from tests.reference.marts import SHIPPED, Mart
from tests.reference.marts.mastery import all_prerequisites
from tests.reference.marts.questions import earlier_shares
from tests.reference.reading import read, timestamp
from tests.reference.spelling import DAY, midnight
from tests.unit.reference.extract import D1, D3, at


def test_a_history_is_the_same_for_the_same_seed() -> None:
    first, second = ([(night.files, night.story) for night in history(5, 4)] for _ in range(2))
    assert first == second
    assert [night.files for night in history(6, 4)] != [files for files, _ in first]


def test_what_is_written_is_what_the_reference_reads(tmp_path: Path) -> None:
    """Night after night, the files in landing hold exactly the rows that the reference is given."""
    for night in history(7, 8):
        before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.ndjson")}
        night.write(tmp_path)
        after = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.ndjson")}
        assert {path for path in after if before.get(path) != after[path]} == {tmp_path / n.path for n in night.changed}
        assert after.keys() == {tmp_path / name.path for name in night.files}
        rows = {(row.system, row.extract_date, row.source_file, row.source_line): row for row in night.rows()}
        seen = 0
        for name in night.files:
            for number, text in enumerate((tmp_path / name.path).read_bytes().splitlines(), start=1):
                if not text.strip():
                    continue
                place = (name.system, name.extract_date, name.name, number)
                if place not in rows:
                    assert json.loads(text)["events"] == []
                elif rows[place].reject != "malformed":
                    assert json.loads(text, parse_float=Decimal) == rows[place].payload
                    seen += 1
        assert seen > 0


def test_no_date_loses_its_last_file_and_times_are_within_bounds() -> None:
    for seed in range(15):
        loads: set[Load] = set()
        for night in history(seed, 10, snapshots=True):
            assert loads <= set(night.loads())
            loads = set(night.loads())
        for row in night.rows():
            if row.reject is None and row.stream in ("events", "batches"):
                moment = row.payload["received_at" if row.stream == "batches" else TIME_FIELDS[row.system]]
                assert datetime(2000, 1, 1) <= timestamp(moment) <= limit(row.extract_date)


def test_histories_meet_every_case() -> None:
    """A generator that never makes a case proves nothing about it."""
    met: set[str] = set()
    for seed in range(20):
        world = history(seed, 10, snapshots=True)
        for night in world:
            met |= {text.split(" ")[0] for text in night.story}
        marts = build(night.rows(), night.loads(), model=world.champion())
        met |= mastery_cases(marts, world)
        for row in marts["event_ledger"]:
            met |= {name for name, value in row.items() if name.startswith(("rows_", "rejected_")) and value}
            met |= {f"{row['system']} {name}" for name in VERDICTS if row[name]}
            met |= {"empty extract"} if not row["rows_read"] else set()
        for row in marts["study_sessions"]:
            met |= {row["end_reason"], "derived" if row["is_derived"] else "stated"}
            met |= {name for name in ("overlaps_other_session", "events_after_end", "pause_count") if row[name]}
        for row in marts["test_sessions"]:
            met |= {row["status"]} | {name for name in ("blur_seconds", "missing_seq") if row[name]}
        for row in marts["question_attempts"]:
            met |= {name for name in ("hint_used", "explanation_viewed") if row[name]}
        met |= funnel_cases(marts)
        met |= {"an earlier share"} if earlier_shares(marts["question_attempts"]) else set()
        for mart, names in SOMETIMES.items():
            met |= {name if row[name] else f"no {name}" for row in marts[mart] for name in names}
        met |= {row["block_type"] for row in marts["ai_block_daily_stats"]}
        met |= {row["error_type"] + " error" for row in marts["error_daily_stats"]}
        met |= {f"source {row['source']}" for row in marts["telemetry_quality_daily"]}
        met |= {f"place {row['position']}" for row in marts["leaderboard"]}
    wanted = {name for name in COLUMNS["event_ledger"] if name.startswith(("rows_", "rejected_"))}
    wanted -= {"rows_erased", "rejected_payload_too_large"}
    wanted |= {f"{system} {name}" for system in TIME_FIELDS for name in VERDICTS}
    wanted |= {"write", "correct", "repeat", "remove", "touch", "empty", "empty extract"}
    wanted |= {"explicit", "timeout", "active", "derived", "stated", "overlaps_other_session", "events_after_end"}
    wanted |= {"pause_count", "submitted", "expired", "abandoned", "in_progress", "blur_seconds", "missing_seq"}
    wanted |= {"hint_used", "explanation_viewed", "an earlier share", "other", "other error", "place 10"}
    wanted |= {"source -", "source web", "source mobile"}
    wanted |= {name for names in SOMETIMES.values() for name in names}
    wanted |= {f"no {name}" for names in SOMETIMES.values() for name in names}
    for funnel in SHIPPED:
        outcomes = ("completed", "dropped", "open", *(["abandoned"] if funnel.exclusions else []))
        wanted |= {f"{funnel.name} {outcome}" for outcome in outcomes}
        wanted |= {f"{funnel.name} unattributed"}
    wanted |= MASTERY_CASES
    wanted |= {"completed at the window's end", "two openings at one instant", "a bar within an entity", "collapsed"}
    assert wanted <= met, wanted - met


VERDICTS = ("rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict", "rows_late")
# What must be there in some rows, and zero, false or absent in others.
SOMETIMES = {
    "weekly_user_stats": ("is_complete_week", "active_seconds_change", "accuracy_change"),
    "user_learning_metrics": ("current_streak", "median_session_minutes", "topics_mastered"),
    "topic_mastery": ("reached_mastered_at", "days_since_practice"),
    "topic_mastery_daily": ("mastered_until", "proficient_until"),
    "user_gamification": ("streak_broken_on", "reported_total_xp", "achievements"),
    "ai_coach_daily_stats": ("hint_then_correct_rate", "tokens_used", "negative_feedback"),
    "search_daily_stats": ("zero_result_rate", "click_through_rate"),
    "recommendation_funnel": ("starts", "completions", "abandons", "collapsed_events", "click_through_rate"),
    "question_visits": ("visible_seconds", "is_answered", "is_changed"),
    "assessment_question_stats": ("answered_rate", "change_rate", "review_mark_rate", "skip_rate"),
    "draft_analytics": ("created_at", "published_at", "ring_passes"),
    "collaborator_analytics": ("avg_hold_minutes", "open_holds", "rings_held"),
    "chapter_daily_stats": ("visits", "errors"),
    "ai_block_daily_stats": ("repeat_rate",),
    "error_daily_stats": ("chapters", "errors_per_1000_visits"),
    "telemetry_quality_daily": (
        *("rejection_rate", "mean_batch_size", "missing_seq_rate", "clock_skew_p50", "delivery_lag_p99", "late_rate"),
    ),
}


MASTERY_CASES = {
    *("struggling", "wheel_spinning", "forgotten", "blocked"),
    *("unknown", "learning", "proficient", "mastered"),
    *("held out", "fitted", "a question that the model knows", "one that it does not know"),
    *("a gap within proficiency", "mastered before and not now", "faded within a day", "faded since"),
    *("resolved", "a second spell", "blocked by one of two", "a prerequisite before what is worse"),
    *("a cycle of prerequisites", "an attempt after as-of"),
}


def mastery_cases(marts: dict[str, Mart], world: History) -> set[str]:
    """What topic mastery has met in a history."""
    met = {"held out" if row["is_held_out"] else "fitted" for row in marts["attempt_predictions"]}
    for row in marts["question_stats"]:
        met |= {"one that it does not know" if row["model_difficulty"] is None else "a question that the model knows"}
    daily = {(row["user_id"], row["topic_id"]): row for row in marts["topic_mastery_daily"]}  # the last of each
    latest = {(row["user_id"], row["topic_id"]): row for row in marts["topic_mastery"]}
    met |= {row["mastery_level"] for row in latest.values()}
    as_of = max(midnight(load.extract_date) + DAY for load in world.loads())
    for pair, row in latest.items():
        was, level = daily[pair], row["mastery_level"]
        met |= {"mastered before and not now"} if row["reached_mastered_at"] and level != "mastered" else set()
        if row["last_practiced_at"] >= as_of:
            met |= {"an attempt after as-of"}
        elif level != was["mastery_level"]:
            met |= {"faded since"}
    for row in marts["topic_mastery_daily"]:
        begun_mastered = row["mastered_until"] is not None and row["mastery_level"] != "unknown"
        met |= {"faded within a day"} if begun_mastered and row["mastery_level"] != "mastered" else set()
    spells = Counter((row["user_id"], row["topic_id"]) for row in marts["knowledge_gaps"])
    met |= {"a second spell"} if any(spell > 1 for spell in spells.values()) else set()
    prerequisites = read(world.rows(), world.loads()).prerequisites
    if any(topic in all_prerequisites(topic, prerequisites) for topic in prerequisites):
        met |= {"a cycle of prerequisites"}
    still_open = [row for row in marts["knowledge_gaps"] if row["resolved_on"] is None]
    for row in marts["knowledge_gaps"]:
        met |= {row["gap_type"], "open" if row["resolved_on"] is None else "resolved"}
        level = latest[row["user_id"], row["topic_id"]]["mastery_level"] if row in still_open else None
        met |= {"a gap within proficiency"} if level == "proficient" else set()
        others = [other for other in still_open if other["user_id"] == row["user_id"]]
        before = [other for other in others if other["topic_id"] in prerequisites.get(row["topic_id"], set())]
        if row in still_open and row["blocking_topic_id"] is not None:
            met |= {"blocked by one of two"} if len(before) > 1 else set()
            if any(other["severity"] < row["severity"] for other in before):
                met |= {"a prerequisite before what is worse"}
    return met


def funnel_cases(marts: dict[str, Mart]) -> set[str]:
    """What the funnels of a history have met."""
    met = set()
    windows = {funnel.name: funnel.window // timedelta(seconds=1) for funnel in SHIPPED}
    openings: set[tuple[str, str, datetime]] = set()
    for row in marts["funnel_attempts"]:
        opening = (row["funnel"], row["entity"], row["opened_at"])
        met |= {f"{row['funnel']} {row['outcome']}"}
        met |= {"completed at the window's end"} if row["seconds_to_complete"] == windows[row["funnel"]] else set()
        met |= {"two openings at one instant"} if opening in openings else set()
        met |= {"a bar within an entity"} if "\\|" in row["entity"] else set()
        met |= {"collapsed"} if row["collapsed_events"] else set()
        openings.add(opening)
    met |= {f"{row['funnel']} unattributed" for row in marts["funnel_daily"] if row["unattributed_events"]}
    return met


def test_many_learners_tell_how_well_a_question_discriminates_and_some_have_no_gap() -> None:
    world = history(2, 4, snapshots=True, learners=16)
    for _night in world:
        pass
    marts = build(world.rows(), world.loads(), model=world.champion())
    assert len(marts["user_learning_metrics"]) == 16
    assert sum(row["discrimination"] is not None for row in marts["question_stats"]) > 1
    assert {row["open_gaps"] > 0 for row in marts["user_learning_metrics"]} == {True, False}


def test_marts_reconcile_on_random_histories() -> None:
    """What invariants 2, 3 and 9 promise holds for the reference itself."""
    for seed in range(10):
        world = history(seed, 6)
        for _night in world:
            pass
        rows, loads = world.rows(), world.loads()
        model = world.champion()
        marts = build(rows, loads, model=model)

        def total(mart: str, column: str, marts: dict[str, Mart] = marts, **where: Any) -> Any:
            return sum(r[column] for r in marts[mart] if all(r[name] == value for name, value in where.items()))

        attempts = len(marts["question_attempts"])
        for mart in ("study_sessions", "daily_user_stats", "weekly_user_stats", "topic_daily_stats"):
            assert total(mart, "questions_attempted") == attempts
        assert total("question_stats", "attempts") == total("user_learning_metrics", "total_questions_attempted")
        for mart in ("daily_user_stats", "weekly_user_stats"):
            assert total(mart, "active_seconds") == total("study_sessions", "active_seconds")
        assert total("user_gamification", "total_xp") == total("study_sessions", "xp_earned")
        assert len(marts["attempt_predictions"]) == attempts
        by_day = {(row["user_id"], row["topic_id"], row["date"]): row for row in marts["topic_mastery_daily"]}
        assert len(by_day) == len({(r["user_id"], r["topic_id"], r["date"]) for r in marts["attempt_predictions"]})
        still_open = [row for row in marts["knowledge_gaps"] if row["resolved_on"] is None]
        assert total("user_learning_metrics", "open_gaps") == len(still_open)
        mastered = [row for row in marts["topic_mastery"] if row["mastery_level"] == "mastered"]
        assert total("user_learning_metrics", "topics_mastered") == len(mastered)
        for user_id in {row["user_id"] for row in still_open}:
            priorities = sorted(row["priority"] for row in still_open if row["user_id"] == user_id)
            assert priorities == list(range(1, len(priorities) + 1))
        for column in ("responses", "tokens_used"):
            assert total("ai_model_daily_stats", column) == total("ai_coach_daily_stats", column)
        assert total("search_daily_stats", "searches") == total("daily_user_stats", "searches")
        taps = [row for row in marts["funnel_attempts"] if row["funnel"] == "recommendation"]
        assert total("recommendation_funnel", "taps") == len(taps)
        assert total("funnel_daily", "attempts", funnel="recommendation", step=1) == len(taps)
        assert total("collaborator_analytics", "segments_written") == total("draft_analytics", "segments")
        assert total("collaborator_analytics", "rings_held") == total("draft_analytics", "ring_passes")
        for system in TIME_FIELDS:
            ledger = [
                r for r in marts["event_ledger"] if r["system"] == system and r["stream"] in ("events", "batches")
            ]
            for column, of_telemetry in (("rows_read", "rows_read"), ("rows_accepted", "events")):
                assert total("telemetry_quality_daily", of_telemetry, system=system) == sum(r[column] for r in ledger)
        for mart, table in build(list(reversed(rows)), loads, model=model).items():
            assert_same(mart, marts[mart], table)
            assert len({tuple(row[name] for name in KEYS[mart]) for row in table}) == len(table)


def test_the_api_of_a_history() -> None:
    world = history(1, nights=3)
    assert isinstance(world, History)
    assert world.rows() == []
    night = next(iter(world))
    assert world.rows() == night.rows()
    assert file_bytes(()) == b""
    assert Name("study", D1, "events-late.ndjson").stream == "events"
    assert timedelta(0) <= limit(D1) - at("00:00:00", D3) <= timedelta(0)
