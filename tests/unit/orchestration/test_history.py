from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from orchestration import history
from orchestration.history import keep_history_open


@pytest.fixture(autouse=True)
def kept_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
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


@pytest.mark.parametrize("url", ["sqlite:///{folder}/app.db", "sqlite:///file:{folder}/app.db?mode=ro&uri=true"])
def test_a_database_that_extracts_are_read_from_is_none_of_it(
    tmp_path_factory: pytest.TempPathFactory, url: str
) -> None:
    """It was kept open behind the night that read it, and nobody could end what takes too long."""
    folder = tmp_path_factory.mktemp("app")
    sqlite3.connect(folder / "app.db").close()
    with create_engine(url.format(folder=folder), poolclass=NullPool).connect() as connection:
        raw = connection.connection.driver_connection
    assert type(raw) is sqlite3.Connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        raw.execute("select 1")
