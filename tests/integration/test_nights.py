"""Nights with all that goes wrong in deliveries: each time as plain Python says, in the end as a rebuild has it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.integration.extracts import put, study_event
from tests.integration.warehouse import Warehouse
from tests.reference import assert_same, build
from tests.reference.histories import history
from tests.reference.marts import KEYS


@pytest.mark.parametrize(("seed", "learners", "nights"), [(118, 5, 4), (5, 16, 4)])
def test_nights_equal_a_rebuild_and_the_reference(seed: int, learners: int, nights: int, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    deeds: set[str] = set()
    kinds: set[str] = set()
    out_of_order = crossed_midnight = late = rewritten = 0
    world = history(seed, nights=nights, snapshots=True, learners=learners)
    warehouse.promote(world.champion())
    gaps: dict[tuple[Any, ...], dict[str, Any]] = {}
    for night in world:
        known = [load.extract_date for load in night.loads()]
        out_of_order += min(night.dates()) < max(known)
        deeds |= {line.split()[0] for line in night.story}

        night.write(warehouse.home.landing)
        warehouse.load()
        if night.index % 3 == 2:
            warehouse.load_again(known[0])  # unchanged
        warehouse.build()
        context = f"seed {seed}, night {night.index}: {night.story}"

        for mart, expected in build(night.rows(), night.loads(), model=world.champion()).items():
            assert_same(mart, expected, warehouse.mart(mart), context=context)
        sessions = warehouse.mart("study_sessions")
        crossed_midnight += any(s["ended_at"] and s["ended_at"].date() > s["started_at"].date() for s in sessions)
        late += sum(row["rows_late"] for row in warehouse.mart("event_ledger"))
        before, gaps = (
            gaps,
            {tuple(row[name] for name in KEYS["knowledge_gaps"]): row for row in warehouse.mart("knowledge_gaps")},
        )
        rewritten += sum(row["resolved_on"] is not None and gaps.get(key) != row for key, row in before.items())
        kinds |= {row["gap_type"] for row in gaps.values()}
        kinds |= {row["mastery_level"] for row in warehouse.mart("topic_mastery_daily")}

    warehouse.assert_equals_rebuild(context)
    warehouse.dbt("test", "--select", "test_type:data")
    assert {"write", "correct", "repeat"} <= deeds, "the seed tells no story worth telling; take another one"
    assert out_of_order and crossed_midnight and late
    assert rewritten, "no spell that was past has changed"
    assert kinds >= {"struggling", "wheel_spinning", "forgotten", "blocked"}
    assert kinds >= {"unknown", "learning", "proficient", "mastered"}


def test_rows_that_are_alike_go_with_the_next_change_of_their_key(tmp_path: Path) -> None:
    """Rows are compared by a join, to which two that are alike are as good as one."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    for number, day in enumerate([date(2026, 1, 5), date(2026, 1, 6)], 1):
        session = f"40000000-0000-4000-8000-00000000000{number}"
        put(warehouse, "study", day, "events", [study_event(day, 1, "session_start", 600, session_id=session)])
        warehouse.load()
        warehouse.build()
        if number == 1:
            with duckdb.connect(str(warehouse.home.marts)) as con:
                con.execute("insert into marts.study_sessions from marts.study_sessions")
            assert len(warehouse.mart("study_sessions")) == 2
    assert sorted(row["session_id"][-1] for row in warehouse.mart("study_sessions")) == ["1", "2"]
