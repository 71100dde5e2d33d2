"""Nights on Delta: built by keys as on DuckDB, each time as a rebuild has it, also after a night that was killed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.delta import DeltaWarehouse, sail
from tests.integration.warehouse import Warehouse
from tests.reference.compare import assert_same
from tests.reference.histories import history
from tests.reference.marts import KEYS

pytest.importorskip("pysail", reason="Sail, which writes Delta tables without Java, is not installed here")
pytest.importorskip("dbt.adapters.spark", reason="Spark is an optional extra that is not installed here")
pyspark = pytest.importorskip("pyspark")
if tuple(map(int, pyspark.__version__.split(".")[:2])) > (4, 2):
    pytest.skip(f"Sail does not speak with pyspark {pyspark.__version__}", allow_module_level=True)

MART = "(?:daily_user_stats|question_attempts|study_sessions|topic_daily_stats)"
BOOKED = rf"insert into keyed\.builds\s+select\s+'{MART}'"

# A run is killed behind each of these statements, in the order of a night; the first is of a full build.
STEPS = {
    "a model is replaced": r"create or replace table staging\.base_study__events ",
    "the loads are applied": r"create or replace table keyed\.base_study__events__loads ",
    "the copies are merged": r"merge into staging\.base_study__events ",
    "a batch has begun": rf"{BOOKED}.*cast\(null as bigint\)",
    "it is in the log": rf"insert into keyed\.{MART}__changes\s",
    "it is merged": rf"merge into marts\.{MART} ",
    "progress is noted": rf"insert into keyed\.progress\s+select\s+'{MART}'",
    "the batch has ended": rf"{BOOKED}(?!.*cast\(null as bigint\))",
    "the logs are pruned": r"delete from keyed\.base_study__events__changes ",
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
        key = KEYS.get(mart, ("mart",))
        ignore = ("bytes", "built_at") if mart == "mart_catalog" else ()
        assert_same(mart, rebuilt.mart(mart), on_delta.mart(mart), key=key, ignore=ignore, context=context)


def test_nights_equal_a_rebuild(session: Any, tmp_path: Path) -> None:
    nightly = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    on_delta = DeltaWarehouse(session, nightly.home, tmp_path / "target_delta")
    for night in history(1, nights=5, snapshots=True):
        night.write(nightly.home.landing)
        nightly.load()
        if night.index == 4:
            nightly.load_again(night.loads()[0].extract_date)  # unchanged
        assert on_delta.build()
        assert_equals_rebuild(
            on_delta, nightly, tmp_path / f"rebuilt_{night.index}", f"night {night.index}: {night.story}"
        )
        merged = any("merge into" in statement for statement in on_delta.statements)
        assert merged == (night.index > 0), "only the first night builds in full"


def test_a_killed_night_heals(session: Any, tmp_path: Path) -> None:
    """Healed by a second run of the same night, or by the next night's."""
    nightly = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    on_delta = DeltaWarehouse(session, nightly.home, tmp_path / "target_delta")
    nights = history(2, nights=1 + 2 * len(STEPS), snapshots=True)

    def another_night() -> None:
        night = next(nights)
        night.write(nightly.home.landing)
        nightly.load()

    another_night()
    assert on_delta.build()
    for number, (step, statement) in enumerate(STEPS.items()):
        another_night()
        assert not on_delta.build(full=number == 0, kill=_is(statement)), f"nothing to kill when {step}"
        if number % 2:
            another_night()
        assert on_delta.build()
        assert_equals_rebuild(on_delta, nightly, tmp_path / f"rebuilt_{number}", f"killed when {step}")


def _is(pattern: str) -> Callable[[str], bool]:
    return lambda statement: bool(re.search(pattern, statement, re.DOTALL))
