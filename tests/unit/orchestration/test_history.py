from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from ingestion.database import Interrupted, window
from ingestion.lake import find_stream
from ingestion.sources import DatabaseSource
from orchestration import history
from orchestration.history import keep_history_open


@pytest.fixture(autouse=True)
def kept_open() -> Iterator[None]:
    keep_history_open()
    keep_history_open()  # once is enough
    yield
    event.remove(Engine, "do_connect", history._take_an_open_one)
    for waiting in history._idle.values():
        for connection in waiting:
            connection.really_close()
    history._idle.clear()


def write(file: Path, sql: str) -> sqlite3.Connection:
    """As Dagster writes an event: with an engine and a connection of its own."""
    with create_engine(f"sqlite:///{file}", poolclass=NullPool).connect() as connection, connection.begin():
        connection.execute(text(sql))
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return raw


def test_a_file_is_opened_once_and_every_event_is_there(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    connections = {id(write(file, "create table events (id integer)"))}
    connections |= {id(write(file, f"insert into events values ({number})")) for number in range(5)}
    assert len(connections) == 1
    with sqlite3.connect(file) as other:
        assert other.execute("select count(*) from events").fetchone() == (5,)


def test_what_failed_is_rolled_back_and_locks_nobody_out(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    write(file, "create table events (id integer)")
    engine = create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with pytest.raises(ValueError, match="no"), engine.connect() as connection, connection.begin():
        connection.execute(text("insert into events values (1)"))
        raise ValueError("no")
    with sqlite3.connect(file, timeout=1) as other:
        other.execute("insert into events values (2)")
    assert write(file, "insert into events values (3)").execute("select id from events").fetchall() == [(2,), (3,)]


def test_two_at_once_have_two_connections(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'runs.db'}", poolclass=NullPool)
    with engine.connect() as one, engine.connect() as other:
        assert one.connection.driver_connection is not other.connection.driver_connection


def test_the_files_of_many_runs_are_closed_again(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / f"{number}.db", "create table events (id integer)")
    assert sum(map(len, history._idle.values())) == 16
    assert len(history._idle) == 16


def test_a_database_that_extracts_are_read_from_is_none_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was kept open behind the night that read it, and nobody could end what takes too long."""
    monkeypatch.setattr("ingestion.database._PATIENCE", 0)
    sqlite3.connect(tmp_path / "app.db").close()
    long = "with recursive n (x) as (select 1 union all select x + 1 from n where x < 5e7) select x from n where x < 0"
    source = DatabaseSource(f"sqlite:///{tmp_path}/app.db", query=long, statement_timeout=1)
    with (
        pytest.raises(Interrupted, match="the server has said nothing for 1 s"),
        window(source, find_stream("study", "events"), date(2026, 1, 5)) as opened,
    ):
        opened.count()
    assert not history._idle
