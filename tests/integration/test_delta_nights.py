"""Nights on Delta: built by keys as on DuckDB, and each time as a rebuild has it, also after a night that was killed."""

from __future__ import annotations

import random
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

# The steps that change something, in their order; a run is killed right behind one of them.
STEPS = {
    "begun": r"insert into keyed\.builds\b(?=.*cast\(null as bigint\))",
    "logged": r"insert into keyed\.\w+__changes\b",
    "merged": r"merge into",
    "taken": r"insert into keyed\.progress\b",
    "applied": r"create or replace table keyed\.\w+__loads\b",
    "ended": r"insert into keyed\.builds\b(?!.*cast\(null as bigint\))",
    "pruned": r"delete from keyed\.\w+__changes\b|insert overwrite keyed\.",
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
    for night in history(1, nights=6, snapshots=True):
        night.write(nightly.home.landing)
        nightly.load()
        if night.index == 4:
            nightly.load_again(night.loads()[0].extract_date)  # unchanged
        assert on_delta.build()
        assert_equals_rebuild(on_delta, nightly, tmp_path / f"rebuilt_{night.index}", f"night {night.index}: {night.story}")
        merged = any(re.search(STEPS["merged"], statement) for statement in on_delta.statements)
        assert merged == (night.index > 0), "only the first night builds in full"


def test_a_killed_night_heals(session: Any, tmp_path: Path) -> None:
    """Killed behind each step once, at some model; healed by the same night's second run, or by the next night's."""
    rng = random.Random(3)
    nightly = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    on_delta = DeltaWarehouse(session, nightly.home, tmp_path / "target_delta")
    nights = iter(history(2, nights=2 * len(STEPS), snapshots=True))

    def another_night() -> str:
        night = next(nights)
        night.write(nightly.home.landing)
        nightly.load()
        return f"night {night.index}: {night.story}"

    for step, statement in {"replaced": r"create or replace table (?!keyed)\w+\.\w+ using", **STEPS}.items():
        another_night()
        assert not on_delta.build(kill=_after(statement, rng.randint(1, 3))), step
        context = another_night() if rng.random() < 0.5 else "the same night"
        assert on_delta.build()
        assert_equals_rebuild(on_delta, nightly, tmp_path / f"rebuilt_{step}", f"killed when {step}; {context}")


def _after(pattern: str, times: int) -> Callable[[str], bool]:
    """Whether a statement is the one that matches a pattern for a given time."""
    matching = 0

    def is_last(statement: str) -> bool:
        nonlocal matching
        matching += bool(re.search(pattern, statement, re.DOTALL))
        return matching == times

    return is_last
