"""The commands that a person types, on a small home of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ingestion.demo import generate
from ingestion.home import Home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    generate(home, learners=8, days=4)
    return home


def run(home: Home, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestration", *command],
        cwd=Path(__file__).resolve().parents[2],
        env={**os.environ, "DAYBOOK_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
    )


def published(home: Home, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.published), read_only=True) as con:
        return con.execute(query).fetchall()


def test_a_night_a_broken_file_and_a_rebuild(home: Home) -> None:
    """One test, for each command takes its seconds: they tell one story."""
    night = run(home, "nightly")
    assert night.returncode == 0, night.stdout + night.stderr
    assert "loaded     4 extract date(s), 2026-01-05 to 2026-01-08" in night.stdout
    assert "  blocking " not in night.stdout
    sessions = published(home, "from marts.study_sessions order by all")
    assert sessions
    before = home.published.stat().st_ino

    broken = home.landing / "study" / "2026-01-09" / "events.ndjson.gz"
    broken.parent.mkdir()
    broken.write_bytes(b"not gzip")
    second = run(home, "nightly")
    assert second.returncode == 1
    assert "study/2026-01-09/events.ndjson.gz" in second.stdout
    assert home.published.stat().st_ino != before  # what could be loaded is published all the same

    rebuilt = run(home, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert "marts" in rebuilt.stdout
    assert published(home, "from marts.study_sessions order by all") == sessions


def test_dates_that_are_the_wrong_way_round(home: Home) -> None:
    wrong = run(home, "nightly", "--from", "2026-01-06", "--to", "2026-01-05")
    assert wrong.returncode == 2
    assert "is later than --to" in wrong.stderr
