"""What is promised of a stream in a database, held to by each server that Daybook is tested with."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ingestion import ledger
from ingestion.extracts import Extract
from ingestion.home import Home
from ingestion.ledger import Load
from ingestion.load import Loader, pending
from tests.unit.ingestion.conftest import Put, Query, event
from tests.unit.ingestion.databases import (
    FIRST,
    Database,
    MariaDB,
    PostgreSQL,
    at,
    failure,
    new_database,
    outcomes,
)

KINDS = [
    pytest.param(
        kind,
        id=kind.kind,
        marks=pytest.mark.skipif(kind.servers.why_missing() is not None, reason=kind.servers.why_missing() or ""),
    )
    for kind in (PostgreSQL, MariaDB)
]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> type[Database]:
    found: type[Database] = request.param
    return found


@pytest.fixture(scope="module")
def running(kind: type[Database]) -> Iterator[Any]:
    with kind.servers.server() as server:
        yield server


@pytest.fixture
def database(kind: type[Database], running: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> Database:
    made: Database = new_database(kind, running, home, monkeypatch)
    return made


def test_rows_that_come_and_go_while_a_date_is_read_are_none_of_it(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One snapshot: what is counted is what is read."""
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 200)
    monkeypatch.setattr("ingestion.database._MOST_ROWS", 100)
    database.many(1000)
    changed: list[int] = []

    def change(extract: Extract, rows: int) -> None:
        if extract.extract_date == FIRST and not changed:
            changed.append(rows)
            database.execute("delete from study_events where id > 500")
            database.put([event(1_000_000)], at(10))

    load = outcomes(home, progress=change)[f"study/{FIRST}/events"]
    assert changed[0] < 1000
    assert (load.rows_read, load.rows_at_source) == (1000, 1000)
    assert outcomes(home)[f"study/{FIRST}/events"].rows_read == 501


def test_a_connection_that_is_killed_in_mid_read_costs_no_row_and_counts_none_twice(
    database: Database, home: Home, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More rows than fit into what lies between the server and its client; and nobody complains of the lost one."""
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 20_000)
    database.many(120_000)
    told: list[int] = []
    killed: list[int] = []

    def kill(extract: Extract, rows: int) -> None:
        if extract.extract_date == FIRST:
            told.append(rows)
            if not killed:
                killed.append(database.kill_readers())

    found = outcomes(home, progress=kill)
    assert killed[0] >= 1
    assert told[0] in told[1:]  # read from the first row again, not carried on
    assert found[f"study/{FIRST}/events"].rows_read == 120_000
    assert query("select count(*), count(distinct event_id), max(source_line) from lake.raw.study_events") == [
        (120_000, 120_000, 120_000)
    ]
    assert query("select count(*) from lake.raw.failed_loads") == [(0,)]
    assert ledger.verify(home) == []
    gc.collect()
    assert complaints == []


def test_a_server_that_is_down_for_a_moment_is_waited_for(running: Any, database: Database, home: Home) -> None:
    database.put([event(1)], at(10))
    waiting = pending(home)
    running.stop()
    again = threading.Timer(0.5, running.start)
    again.start()
    try:
        with Loader(home, cores=1) as loader:
            assert [outcome.rows_read for _, outcome in loader.load_all(waiting) if isinstance(outcome, Load)] == [1, 0]
    finally:
        again.join()


def test_a_slow_server_fails_its_stream_and_no_other(database: Database, home: Home, put: Put) -> None:
    """The statement's time-out is no reason to try again: the next one would take as long."""
    database.put([event(1)], at(10))
    put(f"textbook/{FIRST}/events.ndjson", b"")
    database.configure(table=..., query=database.slow, statement_timeout=1)
    started = time.monotonic()
    found = outcomes(home)
    assert time.monotonic() - started < 5
    cause = f"{database.kind}:query:events: {database.interrupted}; statement_timeout is 1 s"
    assert found[f"study/{FIRST}/events"] == f"study/{FIRST}/events: {cause}"
    assert isinstance(found[f"textbook/{FIRST}/events"], Load)


def test_nothing_can_be_written_by_a_query(database: Database, home: Home) -> None:
    database.execute(database.writing_function)
    database.put([event(1)], at(10))
    database.configure(table=..., query="select e.*, change_it() as n from study_events e")
    assert database.read_only in failure(home)
    assert database.execute("select count(*) from study_events") == [(1,)]
