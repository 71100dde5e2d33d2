"""Nights on Delta: built by keys as on DuckDB, each time as a rebuild has it, also after a night that was killed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.integration.delta import DeltaWarehouse, sail
from tests.integration.extracts import put
from tests.integration.warehouse import Warehouse
from tests.reference.compare import assert_same
from tests.reference.histories import history
from tests.reference.marts import KEYS

pytest.importorskip("pysail", reason="Sail, which writes Delta tables without Java, is not installed here")
pytest.importorskip("dbt.adapters.spark", reason="Spark is an optional extra that is not installed here")
# Of marts that the reference has not.
OTHER_KEYS = {
    "knowledge_gap_spells": ("user_id", "topic_id", "opened_on"),
    "mart_as_of": ("as_of",),
    "mart_catalog": ("mart",),
    "mastery_evaluation": ("model_version", "split", "method"),
}
MART = "(?:daily_user_stats|question_attempts|study_sessions|topic_daily_stats)"
# The statements of a night behind which a run is killed, the two that matter most: the log is there without the rows,
# the rows without the books.
STEPS = {
    "it is in the log": rf"insert into keyed\.{MART}__changes\s",
    "it is merged": rf"merge into marts\.{MART} ",
}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Any]:
    with sail(tmp_path / "tables") as session:
        yield session


def assert_equals_rebuild(on_delta: DeltaWarehouse, nightly: Warehouse, root: Path, context: str) -> None:
    """Build the same lake anew with DuckDB, and compare all rows of all marts."""
    rebuilt = Warehouse(root, target=nightly.target, lake_of=nightly)
    rebuilt.build(full=True)
    for mart in rebuilt.marts():
        key = {**KEYS, **OTHER_KEYS}[mart]
        ignore = ("bytes", "built_at") if mart == "mart_catalog" else ()
        assert_same(mart, rebuilt.mart(mart), on_delta.mart(mart), key=key, ignore=ignore, context=context)


def test_nights_that_are_killed_equal_a_rebuild(session: Any, tmp_path: Path) -> None:
    """Each night is killed at another step, and the last one has what all of them left behind."""
    nightly = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    on_delta = DeltaWarehouse(session, nightly.home, tmp_path / "target_delta")
    story = []
    world = history(1, nights=2 + len(STEPS), snapshots=True)
    nightly.promote(world.champion())
    for night in world:
        story.append(f"night {night.index}: {night.story}")
        night.write(nightly.home.landing)
        nightly.load()
        if night.index in (0, 1 + len(STEPS)):
            assert on_delta.build()
        else:
            step, statement = list(STEPS.items())[night.index - 1]
            assert not on_delta.build(kill=_is(statement)), f"nothing to kill when {step}"
            story.append(f"killed when {step}")
        has_merged = any("merge into" in statement for statement in on_delta.statements)
        assert has_merged == (night.index > 0), "only the first night builds in full"
    assert_equals_rebuild(on_delta, nightly, tmp_path / "rebuilt", "; ".join(story))


def test_a_key_that_is_used_again_keeps_its_other_dates(session: Any, tmp_path: Path) -> None:
    """A collapsed key has events on many dates: a night reads those that changed, and MERGE deletes by key."""
    nightly = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    on_delta = DeltaWarehouse(session, nightly.home, tmp_path / "target_delta")
    for day in (date(2026, 1, 5), date(2026, 1, 6), date(2026, 1, 7)):
        tap = {"event_key": "c1:tap:r1", "event": "tap", "child_id": "c1", "recommendation_id": "r1"}
        put(nightly, "recommendation", day, "events", [tap | {"occurred_at": f"{day}T10:00:00Z"}])
        nightly.load()
        assert on_delta.build("+funnel_attempts")
    rebuilt = Warehouse(tmp_path / "rebuilt", target=nightly.target, lake_of=nightly)
    rebuilt.build("funnel_attempts")
    assert len(on_delta.mart("funnel_attempts")) == 3
    assert_same("funnel_attempts", rebuilt.mart("funnel_attempts"), on_delta.mart("funnel_attempts"))


def _is(pattern: str) -> Callable[[str], bool]:
    return lambda statement: bool(re.search(pattern, statement, re.DOTALL))
