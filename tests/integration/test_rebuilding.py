"""What a model depends on besides its rows: when that changes, it is built in full without anybody remembering it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ingestion import lake
from ingestion.demo import generate
from tests.integration.warehouse import Warehouse

GENERATIONS = """
    select model, generation from warehouse.keyed.builds
    union all select model, generation from daybook.keyed.builds order by model"""


def test_a_contract_and_a_setting_rebuild_what_depends_on_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    generate(warehouse.home, learners=5, days=2)
    warehouse.load()
    warehouse.build()

    def generations() -> dict[str, str]:
        return {row["model"]: row["generation"] for row in warehouse.query(GENERATIONS)}

    first = generations()
    warehouse.build()
    assert generations() == first

    contracts = lake.load_contracts()
    study = replace(contracts["study"], sha256="another")
    monkeypatch.setattr(lake, "load_contracts", lambda: {**contracts, "study": study})
    warehouse.build()
    second = generations()
    rebuilt = {model for model in first if first[model] != second[model]}
    assert {"base_study__events", "int_study__sessions", "study_sessions", "daily_user_stats"} <= rebuilt
    assert not any("assessment" in model or model == "test_sessions" for model in rebuilt)

    warehouse.dbt("run", "--vars", "{inactivity_minutes: 20}")
    third = generations()
    assert all(second[model] != third[model] for model in first)
