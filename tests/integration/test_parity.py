"""Parity: the same marts on both engines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingestion.home import Home
from orchestration.spark_connection import Settings, why_unavailable
from tests.integration.commands import run
from tests.integration.warehouse import Warehouse
from tests.reference.histories import history

_MISSING = why_unavailable(Settings.from_env(Home.from_env()))
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")


def test_every_mart_is_the_same_on_both_engines_after_nights_of_all_kinds(tmp_path: Path) -> None:
    """DuckDB goes from night to night by keys; Spark builds the whole in the end from the lake."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    deeds: set[str] = set()
    last = 2
    world = history(28, nights=last + 1, snapshots=True)
    warehouse.promote(world.champion())
    for night in world:
        deeds |= {line.split()[0] for line in night.story}
        night.write(warehouse.home.landing)
        if night.index < last:
            warehouse.load()
            warehouse.build()
    parity = run(warehouse.home, "parity")
    assert parity.returncode == 0, parity.stdout + parity.stderr
    told = re.findall(r"^(\w+) +([\d,]+) rows   same on DuckDB and Spark$", parity.stdout, re.MULTILINE)
    assert [mart for mart, _ in told] == warehouse.marts()
    assert "all marts are the same on both engines" in parity.stdout
    assert [mart for mart, rows in told if rows == "0"] == []
    assert {"write", "correct", "repeat"} <= deeds, "the seed tells no story worth telling; take another one"
