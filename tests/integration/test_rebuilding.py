"""What a model depends on besides its rows: when that changes, it is built in full without anybody remembering it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from ingestion import lake
from ingestion.demo import generate
from tests.integration.extracts import put, study_event
from tests.integration.warehouse import Warehouse

GENERATIONS = """
    select model, generation from warehouse.keyed.builds
    union all select model, generation from daybook.keyed.builds order by model"""


# Of two systems.
SOME = ("study_sessions", "daily_user_stats", "test_sessions", "base_study__topics")


def generations(warehouse: Warehouse) -> dict[str, str]:
    return {row["model"]: row["generation"] for row in warehouse.query(GENERATIONS)}


def test_a_contract_and_a_setting_rebuild_what_depends_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    generate(warehouse.home, learners=5, days=2)
    warehouse.load()
    warehouse.build()

    first = generations(warehouse)
    warehouse.build()
    assert generations(warehouse) == first

    contracts = lake.load_contracts()
    study = replace(contracts["study"], sha256="another")
    monkeypatch.setattr(lake, "load_contracts", lambda: {**contracts, "study": study})
    warehouse.build(*SOME)
    second = generations(warehouse)
    rebuilt = {model for model in first if first[model] != second[model]}
    assert {"base_study__events", "int_study__sessions", "study_sessions", "daily_user_stats"} <= rebuilt
    assert not any("assessment" in model or model == "test_sessions" for model in rebuilt)

    built = warehouse.build(*SOME, inactivity_minutes=20)
    third = generations(warehouse)
    assert {model for model in first if second[model] != third[model]} == first.keys() & built.keys()


@pytest.mark.parametrize("minutes", [1440, 1440.5])
def test_a_gap_of_more_than_a_day_is_refused(tmp_path: Path, minutes: float) -> None:
    """It lies on three days, and active time is given to two: that of the day in the middle was left out."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    arguments = ("ls", "--vars", json.dumps({"inactivity_minutes": minutes}))
    if minutes <= 1440:
        warehouse.dbt(*arguments)
    else:
        with pytest.raises(AssertionError, match=r"inactivity_minutes is 1440\.5; a gap of more than a day"):
            warehouse.dbt(*arguments)


def test_more_new_rows_than_half_of_those_that_are_there_build_all_in_full(tmp_path: Path) -> None:
    """Which is so of 8 rows on 15, and not of 5 on 10; of fewer than `fewest_rows_built_in_full` it never is."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")

    def after(day: int, rows: int, fewest: int) -> dict[str, str]:
        arrived = date(2026, 3, day)
        put(warehouse, "study", arrived, "events", [study_event(arrived, n, "session_start", n) for n in range(rows)])
        warehouse.load()
        warehouse.build(*SOME, fewest_rows_built_in_full=fewest)
        return generations(warehouse)

    first = after(day=2, rows=10, fewest=1)
    assert after(day=3, rows=5, fewest=1) == first
    third = after(day=4, rows=8, fewest=8)
    rebuilt = {model for model in first if first[model] != third[model]}
    assert {"base_study__events", "int_study__sessions", "study_sessions", "daily_user_stats"} <= rebuilt
    assert not any("assessment" in model or model in ("test_sessions", "base_study__topics") for model in rebuilt)
    assert after(day=5, rows=20, fewest=21) == third
