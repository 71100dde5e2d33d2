"""A night that runs on the second engine."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ingestion.demo import generate
from ingestion.home import Home
from orchestration.engines import DuckDB
from orchestration.parity import build
from orchestration.spark_connection import Settings, why_unavailable
from tests.integration.commands import run, start
from tests.integration.test_commands import kill_in_the_transformation, published

_MISSING = why_unavailable(Settings.from_env(Home.from_env()))
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")


def test_a_night_on_spark_is_killed_and_repeated_and_publishes_what_duckdb_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, for each build takes its half minute. The home's name is one that needs care in paths and SQL."""
    home = Home(tmp_path / "it's a höme")
    generate(home, learners=8, days=4)
    monkeypatch.setenv("DAYBOOK_ENGINE", "spark")

    kill_in_the_transformation(start(home, "nightly"))
    assert not home.published.exists()

    night = run(home, "nightly")
    assert night.returncode == 0, night.stdout + night.stderr

    undescribed = published(home, "from duckdb_columns() where schema_name = 'marts' and coalesce(comment, '') = ''")
    assert undescribed == []
    assert published(home, "select count(*) > 0 from marts.study_sessions") == [(True,)]

    build(home, DuckDB())
    with duckdb.connect(str(home.marts), read_only=True) as con:
        tables = "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
        names = [name for (name,) in con.execute(tables).fetchall()]
        assert "study_sessions" in names
        for name in names:
            if name != "mart_catalog":  # sizes, and when each was built
                query = f"from marts.{name} order by all"
                assert published(home, query) == con.execute(query).fetchall(), name
