"""The demo in the tables of a database: read from there it is what it is in files, but for what no column can hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion import ledger
from ingestion.demo import generate
from ingestion.demo.database import fill, main, resolve
from ingestion.home import Home
from tests.unit.ingestion.conftest import load_all

LEARNERS, DAYS = 6, 2


def test_the_demo_can_be_read_from_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row that was not left out is in a table once, and is read once; of the others none is broken JSON.

    Batches say themselves when they were received, which is another date for some: they are left out here.
    """
    monkeypatch.setenv("DAYBOOK_DEMO_DB", f"sqlite:///{tmp_path}/demo.db")
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
