from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from ingestion.home import Home
from orchestration.databases import built_by, mart_rows, publication, sign, unsign
from orchestration.publish import publish


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.work.mkdir()
    build(home, 1)
    return home


def build(home: Home, rows: int) -> None:
    with duckdb.connect(str(home.marts)) as con:
        con.execute("create schema if not exists marts")
        con.execute("create schema if not exists books")
        con.execute("create or replace table books.log as select 1 as batch")
        con.execute(f"create or replace table marts.events as select range as id from range({rows})")
        con.execute("create or replace view marts.newest as select max(id) as id from daybook.marts.events")


def read(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), read_only=True)


def test_analysts_find_the_marts_and_nothing_else(home: Home) -> None:
    publication = publish(home)
    assert publication.rows == {"events": 1, "newest": 1}
    with read(home.published) as con:
        schemas = con.execute("select schema_name from duckdb_schemas() where database_name = current_database()")
        assert {name for (name,) in schemas.fetchall()} == {"main", "marts"}
        assert con.execute("select id from marts.newest").fetchall() == [(0,)]
        undescribed = "select column_name from duckdb_columns() where table_name = 'publication' and comment is null"
        assert con.execute(undescribed).fetchall() == []


def test_the_builders_books_stay_in_the_work_folder(home: Home) -> None:
    publish(home)
    with read(home.marts) as con:
        assert con.execute("select batch from books.log").fetchall() == [(1,)]


def test_a_reader_keeps_its_copy(home: Home) -> None:
    publish(home)
    with duckdb.connect(str(home.published), read_only=True) as old:
        build(home, 3)
        publish(home)
        assert old.execute("select count(*) from marts.events").fetchall() == [(1,)]
    with read(home.published) as new:
        assert new.execute("select count(*) from marts.events").fetchall() == [(3,)]


def test_what_a_killed_run_left_behind_is_overwritten(home: Home) -> None:
    home.published.parent.mkdir()
    (home.published.parent / ".daybook.duckdb.tmp").write_bytes(b"half")
    (home.published.parent / ".daybook.duckdb.tmp.wal").write_bytes(b"half")
    publish(home)
    assert [path.name for path in home.published.parent.iterdir()] == ["daybook.duckdb"]


def test_nothing_is_published_where_there_are_no_marts(home: Home) -> None:
    publish(home)
    with duckdb.connect(str(home.marts)) as con:
        con.execute("drop schema marts cascade")
    with pytest.raises(RuntimeError, match="nothing is published"):
        publish(home)
    with read(home.published) as con:
        assert con.execute("select count(*) from marts.events").fetchall() == [(1,)]
    home.marts.unlink()
    with pytest.raises(FileNotFoundError, match="build them first"):
        publish(home)


def test_a_copy_says_by_which_code_it_was_built_and_when(home: Home) -> None:
    sign(home, "code-1")
    publish(home)
    signed = publication(home)
    assert signed is not None
    assert signed["code"] == "code-1"
    assert datetime.now(UTC).replace(tzinfo=None) - signed["published_at"] < timedelta(minutes=5)


def test_a_copy_that_was_never_signed(home: Home) -> None:
    assert publication(home) is None
    home.published.parent.mkdir()
    shutil.copy(home.marts, home.published)
    assert publication(home) is None


def test_models_are_signed_until_something_is_built(home: Home) -> None:
    assert built_by(home) is None
    sign(home, "code-1")
    assert built_by(home) == "code-1"
    unsign(home)
    assert built_by(home) is None
    publish(home)
    signed = publication(home)
    assert signed is not None
    assert signed["code"] is None


@pytest.mark.found("fresh eyes")
@pytest.mark.parametrize("size", [0, 5000, 300_000])
def test_a_spoilt_copy_counts_as_not_published_and_is_replaced(
    home: Home, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A published file that was cut off stopped every night, and no command healed it."""
    build(home, 200_000)
    sign(home, "code-1")
    publish(home)
    with home.published.open("r+b") as file:
        file.truncate(size)
    assert publication(home) is None
    assert f"{home.published} cannot be read, and counts as not published: " in caplog.text
    publish(home)
    assert mart_rows(home) == {"events": 200_000, "newest": 1}
