"""What Daybook is measured beside does the same work: its marts are right, its loads are whole."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from benchmarks.events import write
from benchmarks.landing import files
from ingestion.home import Home
from orchestration.spark_connection import Settings, why_unavailable
from tests.reference import Load, Model, Row, assert_same, build
from tests.reference.marts import Mart
from tests.reference.marts.mastery import Difficulty

MARTS = ("study_sessions", "daily_user_stats", "topic_mastery")
REPOSITORY = Path(__file__).parents[2]


USER, TOPIC, QUESTION, MATERIAL, CHUNK = (f"00000000-0000-4000-8000-00000000000{number}" for number in range(5))
SESSIONS = {name: f"00000000-0000-4000-8000-00000000010{number}" for number, name in enumerate("ABCD")}
OF_A_QUESTION = {"topic_id": TOPIC, "question_id": QUESTION}
# Session, day (0: the last one), time, type and what else is stated.
CORNERS: tuple[tuple[str | None, int, str, str, dict[str, Any]], ...] = (
    # Crosses midnight, has a pause, and goes on behind its end.
    ("A", -1, "23:50:00", "session_start", {"properties": {"timezone": "Europe/Vienna"}}),
    (
        "A",
        -1,
        "23:55:00.25",
        "material_read",
        {"properties": {"time_spent_seconds": 12.345678, "scroll_depth_percent": 90}},
    ),
    ("A", 0, "00:05:00", "question_attempt", {"properties": {"is_correct": False, "hint_used": True}}),
    ("A", 0, "00:06:00", "session_pause", {}),
    ("A", 0, "00:20:00", "session_resume", {}),
    ("A", 0, "00:40:00", "session_end", {"properties": {"active_seconds": 99.5, "xp_earned": 3}}),
    ("A", 0, "00:41:00", "search_performed", {"properties": {"query": "fractions"}}),
    # Overlaps it; what comes at the instant of its end is not later than it.
    ("B", 0, "00:10:00", "question_view", {}),
    ("B", 0, "00:12:00", "session_end", {}),
    ("B", 0, "00:12:00", "xp_earned", {"properties": {"xp_amount": 7}}),
    ("B", 0, "00:14:00", "xp_earned", {"properties": {"xp_amount": 8}}),
    # Ends when nobody is there any more.
    ("C", 0, "10:00:00", "session_start", {"properties": {"device_type": "web"}}),
    ("C", 0, "10:10:00", "question_submit", {"properties": {"is_correct": True}}),
    ("C", 0, "11:00:00", "session_end", {"properties": {"duration_seconds": 3600}}),
    # Without a session: 30 minutes apart are together, more are not.
    (None, 0, "14:30:00", "material_open", {}),
    (None, 0, "15:00:00", "question_submit", {"properties": {"is_correct": True}}),
    (None, 0, "15:30:00.000001", "question_submit", {"properties": {"is_correct": True}}),
    (None, 0, "15:40:00", "streak_continued", {"properties": {"new_streak": 2}}),
    # Goes on at as-of.
    ("D", 0, "23:45:00", "session_start", {}),
    ("D", 0, "23:50:00", "question_submit", {"properties": {"is_correct": True}}),
)


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A week of some learners, with late events and copies, and one more learner for the corners of the rules."""
    landing = tmp_path_factory.mktemp("alternatives") / "landing"
    days = [*write(landing, events_a_day=400, days=7, suffix="ndjson", seed=4).events_of]
    documents = [
        {
            "event_id": f"00000000-0000-4000-9000-{number:012d}",
            "event_type": event_type,
            "event_ts": f"{days[-1] + timedelta(days=day)}T{time}Z",
            "user_id": USER,
            **({"session_id": SESSIONS[session]} if session else {}),
            **(OF_A_QUESTION if event_type.startswith("question") else {}),
            **({"material_id": MATERIAL, "chunk_id": CHUNK} if event_type.startswith("material") else {}),
            **{"properties": {}, **stated},
        }
        for number, (session, day, time, event_type, stated) in enumerate(CORNERS)
    ]
    documents.append({**documents[-1], "properties": {"is_correct": False}})  # another version of an event
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (landing / "study" / str(days[-1]) / "events-corners.ndjson").write_text(lines)
    return landing


@pytest.fixture(scope="module")
def expected(landing: Path) -> dict[str, Mart]:
    rows, loads = [], set()
    for path in files(landing, "events"):
        extract_date = date.fromisoformat(path.parent.name)
        loads.add(Load("study", "events", extract_date))
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            payload = json.loads(line, parse_float=Decimal)
            rows.append(Row("study", "events", extract_date, path.name, number, 0, payload))
    marts = build(rows, loads, model=shipped())
    # What follows would prove little on a landing without these.
    assert {row["end_reason"] for row in marts["study_sessions"]} == {"explicit", "timeout", "active"}
    for column in ("is_derived", "overlaps_other_session"):
        assert {row[column] for row in marts["study_sessions"]} == {True, False}
    assert {row["mastery_level"] for row in marts["topic_mastery"]} == {"unknown", "learning", "proficient", "mastered"}
    assert sum(row["events"] for row in marts["study_sessions"]) < len(rows)
    return marts


def shipped() -> Model:
    """The model that Daybook ships, as the reference takes it."""
    document = json.loads((REPOSITORY / "mastery" / "shipped.json").read_text())
    (overall,) = document["difficulties"]
    coefficients = dict(document["coefficients"])
    numbers = {name: coefficients.pop(name) for name in ("interval_variance", "interval_newness", "fading_days")}
    difficulty = Difficulty(overall["difficulty"], overall["expected_millionths"], overall["information_millionths"])
    return replace(Model(document["version"], coefficients, overall=difficulty), **numbers)


def needs(*modules: str) -> pytest.MarkDecorator:
    """Skip a test where a library is not installed."""
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)} (make bench)")


def run(script: str, *arguments: Path | str) -> None:
    """Run one of the scripts as the benchmark does."""
    command = [sys.executable, "-m", f"benchmarks.alternatives.{script}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_marts(folder: Path, files: str, expected: dict[str, Mart], context: str) -> None:
    """Compare the Parquet files of a folder with the marts of the reference."""
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for mart in MARTS:
            result = con.execute(f"from '{folder}/{mart}{files}'")
            names = [column[0] for column in result.description]
            got = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
            assert_same(mart, expected[mart], got, context=context)


@needs("pandas")
@pytest.mark.parametrize("how", [(), ("--fast",)], ids=["default", "fast"])
def test_pandas_marts_are_those_of_the_reference(
    landing: Path, expected: dict[str, Mart], tmp_path: Path, how: Sequence[str]
) -> None:
    run("pandas_marts", landing, tmp_path / "marts", *how)
    assert_marts(tmp_path / "marts", ".parquet", expected, " ".join(("pandas", *how)))


_NO_SPARK = why_unavailable(Settings.from_env(Home.from_env()))


@pytest.mark.skipif(_NO_SPARK is not None, reason=_NO_SPARK or "")
def test_spark_marts_are_those_of_the_reference(landing: Path, expected: dict[str, Mart], tmp_path: Path) -> None:
    run("spark_marts", landing, tmp_path / "marts")
    assert_marts(tmp_path / "marts", "/*.parquet", expected, "Spark")


@needs("dlt")
@pytest.mark.parametrize("how", [(), ("--tuned",), ("--fast",)], ids=["default", "tuned", "fast"])
def test_dlt_loads_every_line(landing: Path, tmp_path: Path, how: Sequence[str]) -> None:
    run("dlt_load", landing, tmp_path / "events.duckdb", *how)
    lines = [line for path in files(landing, "events") for line in path.read_text().splitlines()]
    ids = Counter(json.loads(line)["event_id"] for line in lines)
    with duckdb.connect(str(tmp_path / "events.duckdb"), read_only=True) as con:
        loaded = con.execute("select event_id, count(event_ts) from study.events group by event_id").fetchall()
    assert dict(loaded) == ids
