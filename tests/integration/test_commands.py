"""The commands that a person types, on a small home of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable

from ingestion.demo import generate
from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.load import load_extract, pending
from ingestion.lock import writer
from mastery.store import Store
from orchestration.databases import publication
from orchestration.planning import is_up_to_date
from tests.integration.commands import CHECKOUT, run, start
from tests.unit.mastery.test_refit import make_marts


@dataclass(frozen=True)
class FirstNight:
    """What a night says, and the rows of marts behind it."""

    told: str
    marts: dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    generate(home, learners=8, days=4)
    return home


@pytest.fixture(scope="module")
def first_night(home: Home) -> FirstNight:
    """The first night of the home, and marts as it published them."""
    night = run(home, "nightly")
    assert night.returncode == 0, night.stdout + night.stderr
    return FirstNight(night.stdout, marts_of(home))


def kill_in_the_transformation(night: subprocess.Popen[str]) -> None:
    assert night.stdout is not None
    for line in night.stdout:
        if line.startswith("transform:"):
            os.killpg(night.pid, signal.SIGKILL)
            break
    assert night.wait(timeout=60) == -signal.SIGKILL


def published(home: Home, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.published), read_only=True) as con:
        return con.execute(query).fetchall()


def marts_of(home: Home) -> dict[str, list[tuple[object, ...]]]:
    names = ("study_sessions", "question_attempts", "daily_user_stats", "topic_daily_stats", "test_sessions")
    return {name: published(home, f"from marts.{name} order by all") for name in names}


def test_a_broken_file_a_lost_row_and_a_rebuild(home: Home, first_night: FirstNight) -> None:
    """One test, for each command takes its seconds: they tell one story."""
    assert "loaded     4 extract dates, 2026-01-05 to 2026-01-08" in first_night.told
    assert " warned, " in first_night.told
    assert all(first_night.marts.values())
    before = home.published.stat().st_ino

    broken = home.landing / "study" / "2026-01-09" / "events.ndjson.gz"
    broken.parent.mkdir()
    broken.write_bytes(b"not gzip")
    (home.landing / "study" / "notes.txt").touch()
    whole = home.landing / "textbook" / "2026-01-09" / "events.ndjson"
    whole.parent.mkdir()
    whole.write_text("torn\n")
    second = run(home, "nightly")
    assert second.returncode == 1
    assert "study/2026-01-09/events.ndjson.gz" in second.stdout
    assert "loaded     1 extract date, 2026-01-09; 1 extract could not be read" in second.stdout
    assert "not read: study/notes.txt: " in second.stdout
    assert home.published.stat().st_ino != before  # what could be loaded is published all the same

    before = home.published.stat().st_ino
    third = run(home, "nightly")  # the broken file still lies there: that alone is nothing to build
    assert third.returncode == 1
    assert "loaded     no date: 1 extract could not be read" in third.stdout
    assert "built      nothing: neither the lake nor the code has changed since" in third.stdout
    assert home.published.stat().st_ino == before

    # A rejected row is lost from the lake between its load and the transformation: nothing is published.
    before = home.published.stat().st_ino
    rejected = home.landing / "study" / "2026-01-10" / "events.ndjson"
    rejected.parent.mkdir()
    rejected.write_text("torn\n")
    for extract in pending(home, date(2026, 1, 10)):
        load_extract(home, extract)
    quarantine = DeltaTable(str(home.lake / "quarantine"))
    quarantine.delete("extract_date = '2026-01-10'")
    blocked = run(home, "nightly")
    assert blocked.returncode == 1
    assert "books_balance" in blocked.stdout
    assert home.published.stat().st_ino == before

    # As the guide has it: load the date again, then rebuild.
    for extract in discover(home).extracts:
        if extract.extract_date == date(2026, 1, 10):
            load_extract(home, extract)
    rebuilt = run(home, "rebuild")
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert marts_of(home)["study_sessions"] == first_night.marts["study_sessions"]
    assert is_up_to_date(home, (publication(home) or {})["code"])


@pytest.mark.parametrize("name", ["Study/2026-01-06/events.ndjson", "study/2026-01-06/event.ndjson"])
def test_misnamed_extracts_are_told_and_no_demo_is_written_beside_them(tmp_path: Path, name: str) -> None:
    """The first name got demo rows beside it, the second a traceback behind the words "landing is empty"."""
    home = Home(tmp_path)
    file = home.landing / name
    file.parent.mkdir(parents=True)
    file.touch()
    night = run(home, "nightly")
    assert night.returncode == 1
    assert f"not read: {'Study: not the folder' if name[0] == 'S' else f'{name}: not the name'}" in night.stdout
    assert f"no extract found in {home.landing}" in night.stdout
    assert "Traceback" not in night.stdout + night.stderr
    assert [path for path in home.landing.rglob("*") if path.is_file()] == [file]


def dbt_by_hand(home: Home, target: Path) -> subprocess.Popen[str]:
    """As the guide has it, `dbt build` in the folder of the project; quiet, for nobody reads while others run."""
    return subprocess.Popen(
        [
            *(
                Path(sys.executable).with_name("dbt"),
                "--quiet",
                "build",
                "--profiles-dir",
                ".",
                "--target-path",
                target,
            ),
            *("--exclude-resource-type", "unit_test"),
        ],
        cwd=CHECKOUT / "dbt_project",
        env={**os.environ, "DAYBOOK_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.found("two at once")
def test_nights_a_rebuild_and_a_dbt_by_hand_at_once_come_to_the_same_as_one_night(
    tmp_path: Path, first_night: FirstNight
) -> None:
    """A `dbt build` by hand and a night failed one another with DuckDB's lock error.

    Each waits for the others, says for whom, and ends well.
    """
    home = Home(tmp_path)
    generate(home, learners=8, days=4)
    nights = [start(home, "nightly"), start(home, "nightly"), start(home, "rebuild")]
    deadline = time.monotonic() + 120
    while writer(home) == "another writer" and time.monotonic() < deadline:  # dbt, which starts faster, has to wait
        time.sleep(0.05)
    nights.append(dbt_by_hand(home, tmp_path / "target"))
    told = [night.communicate(timeout=900)[0] for night in nights]
    assert [night.returncode for night in nights] == [0, 0, 0, 0], told
    assert sum("nothing was new" in text for text in told[:2]) == 1
    assert sum("waiting for" in text for text in told) == 3, told
    assert marts_of(home) == first_night.marts

    # A rebuild that dies leaves models that are not whole: the next night has something to build, news or not.
    kill_in_the_transformation(start(home, "rebuild"))
    assert not is_up_to_date(home, (publication(home) or {})["code"])
    again = run(home, "nightly")
    assert again.returncode == 0, again.stdout + again.stderr
    assert marts_of(home) == first_night.marts


def test_dates_that_are_the_wrong_way_round(home: Home) -> None:
    wrong = run(home, "nightly", "--from", "2026-01-06", "--to", "2026-01-05")
    assert wrong.returncode == 2
    assert "is later than --to" in wrong.stderr


def test_a_date_that_is_none(home: Home) -> None:
    wrong = run(home, "nightly", "--from", "05.01.2026")
    assert wrong.returncode == 2
    assert "'05.01.2026' is not a date as YYYY-MM-DD" in wrong.stderr


def test_a_fit_needs_a_night_first_and_knows_which_models_are_kept(tmp_path: Path) -> None:
    home = Home(tmp_path)
    early = run(home, "mastery")
    assert (early.returncode, early.stderr) == (2, "")
    assert "Run make nightly first" in early.stdout
    make_marts(home, learners=3, attempts=20)
    Store(home).install_shipped()
    unknown = run(home, "mastery", "--champion", "shipped-0")
    assert unknown.returncode == 2
    assert "no model 'shipped-0' of topic mastery; those that are kept: shipped-1" in unknown.stdout
    few = run(home, "mastery")
    assert (few.returncode, few.stdout.count("shipped-1 stays, for there is too little to fit")) == (0, 1)
    assert not home.published.exists()
