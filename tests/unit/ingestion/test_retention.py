"""The quarantine keeps text for 90 days, and the account of it for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion import ledger
from ingestion.erasure import erase
from ingestion.home import Home
from ingestion.lake import Lake
from ingestion.retention import delete_quarantined_text
from ingestion.sql import file_name
from tests.unit.ingestion.conftest import USERS, Put, Query, event, load_all, ndjson

PERSON = USERS[1]
TORN = f'{{"user_id": "{PERSON}", "name": "Kim'


def on_disk(home: Home) -> str:
    """Every text in every file of the quarantine, committed or not."""
    files = (home.lake / "quarantine").rglob("*.parquet")
    return str([duckdb.sql(f"from read_parquet({file_name(path)})").fetchall() for path in files])


@pytest.fixture
def loaded(home: Home, put: Put) -> Home:
    put("study/2025-01-02/events.ndjson", ndjson(event(1), TORN, event(2, 1), "torn"))
    put("textbook/2025-01-02/events.ndjson", ndjson("torn"))
    load_all(home)
    return home


@pytest.mark.found("fresh eyes")
def test_text_goes_and_the_account_stays(loaded: Home, query: Query) -> None:
    """Rejected rows, personal data and all, were kept for ever."""
    now = datetime.now(UTC)
    account = "select * exclude (raw, detail) from lake.raw.quarantine order by all"
    before = query(account)
    assert len(before) == 3
    assert delete_quarantined_text(loaded, now + timedelta(days=89)) == 0
    assert PERSON in on_disk(loaded)

    assert delete_quarantined_text(loaded, now + timedelta(days=91)) == 2
    assert query(account) == before
    assert query("select count(raw), count(detail) from lake.raw.quarantine") == [(0, 0)]
    assert PERSON not in on_disk(loaded)
    assert ledger.verify(loaded) == []
    files = Lake(loaded).quarantine.files()
    assert delete_quarantined_text(loaded, now + timedelta(days=92)) == 0
    assert Lake(loaded).quarantine.files() == files


def test_a_person_is_erased_though_text_is_gone(loaded: Home, query: Query) -> None:
    delete_quarantined_text(loaded, datetime.now(UTC) + timedelta(days=91))
    (load,) = erase(loaded, PERSON)
    assert (load.rows_read, load.rows_accepted, load.rows_rejected, load.rows_erased) == (4, 1, 2, 1)
    assert query("select count(*) from lake.raw.quarantine where system = 'study'") == [(2,)]
    assert ledger.verify(loaded) == []


def test_a_date_that_is_loaded_again_has_its_text_again(loaded: Home, put: Put, query: Query) -> None:
    delete_quarantined_text(loaded, datetime.now(UTC) + timedelta(days=91))
    put("study/2025-01-02/events.ndjson", ndjson(event(1), "torn as well"))
    load_all(loaded)
    assert query("select raw from lake.raw.quarantine where system = 'study'") == [("torn as well",)]
    assert ledger.verify(loaded) == []


def test_text_of_a_load_that_was_replaced_goes_too(loaded: Home, put: Put) -> None:
    """What a date held before it was loaded again stays on the disk, for readers."""
    put("study/2025-01-02/events.ndjson", ndjson(event(1)))
    load_all(loaded)
    assert PERSON in on_disk(loaded)
    delete_quarantined_text(loaded, datetime.now(UTC) + timedelta(days=89))
    assert PERSON in on_disk(loaded)
    delete_quarantined_text(loaded, datetime.now(UTC) + timedelta(days=91))
    assert PERSON not in on_disk(loaded)
    assert ledger.verify(loaded) == []


def test_killed_before_the_text_left_the_disk(loaded: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    later = datetime.now(UTC) + timedelta(days=91)
    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        delete_quarantined_text(loaded, later)
    monkeypatch.setattr(Path, "unlink", unlink)
    assert PERSON in on_disk(loaded)
    delete_quarantined_text(loaded, later)
    assert PERSON not in on_disk(loaded)
    assert ledger.verify(loaded) == []
