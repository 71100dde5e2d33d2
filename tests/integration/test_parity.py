"""Parity: the same marts on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.home import Home
from orchestration.engines import DuckDB, Spark
from orchestration.parity import build, compare_marts
from orchestration.spark_connection import Settings, why_unavailable
from tests.integration.warehouse import Warehouse
from tests.reference.histories import history

_MISSING = why_unavailable(Settings.from_env(Home.from_env()))
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")


def test_every_mart_is_the_same_on_both_engines_after_nights_of_all_kinds(tmp_path: Path) -> None:
    """DuckDB goes from night to night by keys; Spark builds the whole in the end from the lake."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    deeds: set[str] = set()
    world = history(28, nights=3, snapshots=True)
    warehouse.promote(world.champion())
    for night in world:
        deeds |= {line.split()[0] for line in night.story}
        night.write(warehouse.home.landing)
        warehouse.load()
        manifest = build(warehouse.home, DuckDB())
    build(warehouse.home, Spark())
    compared = list(compare_marts(warehouse.home, manifest))
    assert [comparison for comparison in compared if comparison.differences] == []
    assert [comparison.mart for comparison in compared] == warehouse.marts()
    assert {"write", "correct", "repeat"} <= deeds, "the seed tells no story worth telling; take another one"
    rows = {comparison.mart: comparison.rows["Spark"] for comparison in compared}
    assert all(rows.values()), rows
