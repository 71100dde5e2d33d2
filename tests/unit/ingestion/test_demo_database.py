"""The demo in the tables of a database: read from there it is what it is in files, but for what no column can hold."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import pytest

from ingestion import ledger
from ingestion.demo import generate
from ingestion.demo.database import fill, main, resolve
from ingestion.home import Home
from ingestion.lake import attach_lake
from tests import mariadb
from tests.unit.ingestion.conftest import load_all

LEARNERS, DAYS = 6, 2


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/demo.db"
        return
    if (missing := mariadb.why_missing()) is not None:
        pytest.skip(missing)
    with mariadb.server() as server:
        server.execute("create database demo")
        yield f"mariadb://daybook:{quote(mariadb.PASSWORD)}@127.0.0.1:{server.port}/demo"


def values(home: Home) -> tuple[set[Any], set[Any]]:
    """Of the lake, when each event of the study app happened, and how difficult each question is."""
    with duckdb.connect() as con:
        attach_lake(con, home)
        events = con.execute("select row_id, event_ts from lake.raw.study_events").fetchall()
        questions = con.execute("select question_id, difficulty from lake.raw.study_questions").fetchall()
    return set(events), set(questions)


def test_the_demo_can_be_read_from_a_database(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row that was not left out is in a table once, and is read once; of the others none is broken JSON.

    Batches say themselves when they were received, which is another date for some: they are left out here.
    """
    monkeypatch.setenv("DAYBOOK_DEMO_DB", url)
    home = Home(tmp_path / "home")
    arguments = ["--learners", str(LEARNERS), "--days", str(DAYS), "--home"]
    assert main([*arguments, str(home.root)]) == 0
    printed = capsys.readouterr().out
    from_database = {load.key: load for load in load_all(home)}
    assert ledger.verify(home) == []

    files = Home(tmp_path / "files")
    generate(files, LEARNERS, DAYS)
    from_files = {load.key: load for load in load_all(files)}
    rows, left_out = (int(word.replace(",", "")) for word in printed.splitlines()[0].split() if word[0].isdigit())
    at_source = sum(load.rows_at_source or 0 for load in from_database.values())
    assert at_source == rows
    assert 0 < left_out < rows / 5
    for key, load in from_files.items():
        if key[1] != "batches":
            found = from_database[key]
            # An unknown field has no column: such a row was left out, though its contract would let it pass.
            unknown = sum(drift.rows for drift in load.drift if drift.kind == "unknown_field")
            assert load.rows_accepted - unknown <= found.rows_accepted <= load.rows_accepted
            assert "malformed" not in found.rejected

    (at, difficulties), (at_in_files, difficulties_in_files) = values(home), values(files)
    assert at <= at_in_files
    assert any(instant.microsecond for _, instant in at)
    assert difficulties == difficulties_in_files

    assert main([*arguments, str(home.root)]) == 1
    assert "sources.yaml: is there already" in capsys.readouterr().err
    assert main([*arguments, str(tmp_path / "other")]) == 1
    assert "the demo drops none" in capsys.readouterr().err
    assert not Home(tmp_path / "other").sources.exists()


def test_a_table_that_is_there_is_kept(tmp_path: Path) -> None:
    url = resolve(f"sqlite:///{tmp_path}/demo.db")
    assert fill(url, Home(tmp_path / "empty")) == (0, 0)
    with pytest.raises(FileExistsError, match=r"there is a table assessment_batches, .*; the demo drops none"):
        fill(url, Home(tmp_path / "empty"))


def test_a_password_among_the_options_of_a_url_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would stand in `sources.yaml`."""
    home = Home(tmp_path / "home")
    assert main([f"sqlite:///{tmp_path}/demo.db?password=geheim", "--home", str(home.root)]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: a password stands in the url") and "geheim" not in told
    assert not home.sources.exists() and not (tmp_path / "demo.db").exists()
