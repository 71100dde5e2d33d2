"""Random histories: the same for the same seed, and every case is in them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tests.reference import COLUMNS, KEYS, Load, assert_same, build
from tests.reference.histories import TIME_FIELDS, History, Name, file_bytes, history, limit
from tests.reference.reading import timestamp
from tests.unit.reference.extract import (
    D1,
    D3,
    at,
)


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
    for seed in range(25):
        for night in history(seed, 10, snapshots=True):
            met |= {text.split(" ")[0] for text in night.story}
        marts = build(night.rows(), night.loads())
        for row in marts["event_ledger"]:
            met |= {name for name, value in row.items() if name.startswith(("rows_", "rejected_")) and value}
            met |= {"empty extract"} if not row["rows_read"] else set()
        for row in marts["study_sessions"]:
            met |= {row["end_reason"], "derived" if row["is_derived"] else "stated"}
            met |= {name for name in ("overlaps_other_session", "events_after_end", "pause_count") if row[name]}
        for row in marts["test_sessions"]:
            met |= {row["status"]} | {name for name in ("blur_seconds", "missing_seq") if row[name]}
        for row in marts["question_attempts"]:
            met |= {name for name in ("hint_used", "explanation_viewed") if row[name]}
    wanted = {name for name in COLUMNS["event_ledger"] if name.startswith(("rows_", "rejected_"))}
    wanted -= {"rows_erased", "rejected_payload_too_large"}
    wanted |= {"write", "correct", "repeat", "remove", "touch", "empty", "empty extract"}
    wanted |= {"explicit", "timeout", "active", "derived", "stated", "overlaps_other_session", "events_after_end"}
    wanted |= {"pause_count", "submitted", "expired", "abandoned", "in_progress", "blur_seconds", "missing_seq"}
    wanted |= {"hint_used", "explanation_viewed"}
    assert wanted <= met, wanted - met


def test_marts_reconcile_on_random_histories() -> None:
    """What invariants 2, 3 and 9 promise holds for the reference itself."""
    for seed in range(10):
        world = history(seed, 6)
        for _night in world:
            pass
        rows, loads = world.rows(), world.loads()
        marts = build(rows, loads)
        attempts = len(marts["question_attempts"])
        for mart in ("study_sessions", "daily_user_stats", "topic_daily_stats"):
            assert sum(row["questions_attempted"] for row in marts[mart]) == attempts
        by_session = sum(row["active_seconds"] for row in marts["study_sessions"])
        assert by_session == sum(row["active_seconds"] for row in marts["daily_user_stats"])
        for mart, table in build(list(reversed(rows)), loads).items():
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
