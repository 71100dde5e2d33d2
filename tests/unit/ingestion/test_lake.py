"""Delta tables: what a commit changes, what a reader sees, and what is left on disk."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Put, Query, load_all, ndjson
from deltalake import DeltaTable

from ingestion import ledger
from ingestion.contract import raw_columns
from ingestion.erasure import erase
from ingestion.home import Home
from ingestion.lake import QUARANTINE_COLUMNS, Lake, Table, all_streams, attach_lake, load_date, load_of

COLUMNS = (("n", "BIGINT"), ("t", "TIMESTAMP"), ("tags", "VARCHAR[]"), ("load_id", "VARCHAR"), ("day", "DATE"))
FIRST, SECOND = {"day": "2025-01-01"}, {"day": "2025-01-02"}


@pytest.fixture
def table(home: Home) -> Table:
    return Table(home.lake / "some table", COLUMNS, ("day",))


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def numbers(con: duckdb.DuckDBPyConnection, table: Table, name: str, partition: dict[str, str], *values: int) -> Any:
    rows = " union all ".join(f"select {value} as n" for value in values) or "select 1 as n where false"
    query = f"select n, timestamp '2025-01-01' as t, ['a'] as tags, '{name}' as load_id from ({rows})"
    return table.write(con, partition, name, query, len(values))


def contents(con: duckdb.DuckDBPyConnection, table: Table) -> list[tuple[Any, ...]]:
    return con.execute(f"select day, n from ({table.rows_of(table.files())}) order by all").fetchall()


def on_disk(table: Table) -> set[str]:
    return {path.stem for path in table.root.rglob("*.parquet")}


def replace(path: str) -> bool:
    return False


def test_nothing_was_ever_committed(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    assert table.files() == []
    assert contents(con, table) == []
    table.commit(FIRST, [], keep=replace)
    table.vacuum()
    assert not table.root.exists()


def test_a_commit_replaces_one_partition(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1, 2)], keep=replace)
    table.commit(SECOND, [numbers(con, table, "b", SECOND, 3)], keep=replace)
    table.commit(FIRST, [numbers(con, table, "c", FIRST, 4)], keep=replace)
    assert contents(con, table) == [(date(2025, 1, 1), 4), (date(2025, 1, 2), 3)]
    assert [(load_of(path), path.split("/")[0]) for path in table.files()] == [
        ("c", "day=2025-01-01"),
        ("b", "day=2025-01-02"),
    ]


def test_an_empty_partition_exists(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST)], keep=replace)
    assert contents(con, table) == []
    assert [load_of(path) for path in table.files()] == ["a"]


def test_other_engines_can_read_the_table(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1)], keep=replace)
    delta = DeltaTable(table.root.as_uri())
    assert delta.to_pyarrow_table(columns=["n", "tags", "day"]).to_pylist() == [
        {"n": 1, "tags": ["a"], "day": date(2025, 1, 1)}
    ]
    assert str(delta.schema().fields[1].type) == 'PrimitiveType("timestamp_ntz")'


def test_what_a_commit_replaces_stays_on_disk_until_the_next_one(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """A reader may have the replaced file open; what a killed load left behind nobody has."""
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1)], keep=replace)
    numbers(con, table, "killed", FIRST, 9)
    table.commit(FIRST, [numbers(con, table, "b", FIRST, 2)], keep=replace)
    assert on_disk(table) == {"a", "b"}
    table.commit(FIRST, [numbers(con, table, "c", FIRST, 3)], keep=replace)
    assert on_disk(table) == {"b", "c"}
    table.vacuum()
    assert on_disk(table) == {"c"}
    assert contents(con, table) == [(date(2025, 1, 1), 3)]


def test_a_commit_can_keep_and_remove(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1)], keep=replace)
    table.commit(FIRST, [numbers(con, table, "b", FIRST, 2)], keep=lambda path: True)
    assert contents(con, table) == [(date(2025, 1, 1), 1), (date(2025, 1, 1), 2)]
    table.commit(FIRST, [], keep=lambda path: load_of(path) == "b")
    assert contents(con, table) == [(date(2025, 1, 1), 2)]


def test_a_written_file_has_the_rows_that_were_counted(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    with pytest.raises(AssertionError, match="2 rows written, 3 expected"):
        table.write(con, FIRST, "a", "select n, null as t, null as tags, '' as load_id from range(2) r(n)", 3)


def test_a_contract_that_gains_a_column(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1)], keep=replace)
    wider = dataclasses.replace(table, columns=(*COLUMNS, ("new", "DECIMAL(18,6)")))
    assert con.execute(f"select n, new from ({wider.rows_of(wider.files())})").fetchall() == [(1, None)]
    row = wider.write(con, SECOND, "b", "select 2 as n, null as t, null as tags, 'b' as load_id, 1.5 as new", 1)
    wider.commit(SECOND, [row], keep=replace)
    found = con.execute(f"select n, new::double from ({wider.rows_of(wider.files())}) order by n").fetchall()
    assert found == [(1, None), (2, 1.5)]
    assert contents(con, table) == [(date(2025, 1, 1), 1), (date(2025, 1, 2), 2)]  # the older contract still reads
    assert DeltaTable(table.root.as_uri()).to_pyarrow_table(columns=["n", "new"]).num_rows == 2


def test_a_quarantine_from_before_it_had_a_source(
    home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake that an earlier version wrote goes on: its rows have no source, those of new loads have theirs."""
    before = [{"event_type": "nope", "source": "web"}, {"event_type": "nope", "source": "mobile"}, {"user_id": "u"}]
    path = put("assessment/2025-01-02/events.ndjson", ndjson(*before))
    with monkeypatch.context() as earlier:
        columns = tuple(column for column in QUARANTINE_COLUMNS if column[0] != "source")
        earlier.setattr("ingestion.lake.QUARANTINE_COLUMNS", columns)
        load_all(home)
    assert "source" not in Lake(home).quarantine.stored_columns()
    sources = "select extract_date, source from lake.raw.quarantine order by all"
    assert query(sources) == [(date(2025, 1, 2), None)] * 3
    put("assessment/2025-01-03/events.ndjson", ndjson(*before))
    load_all(home)
    assert "source" in Lake(home).quarantine.stored_columns()
    new = [(date(2025, 1, 3), "mobile"), (date(2025, 1, 3), "web"), (date(2025, 1, 3), None)]
    assert query(sources) == [*[(date(2025, 1, 2), None)] * 3, *new]
    assert ledger.verify(home) == []
    erase(home, "u")  # writes what is left of the old rows anew
    assert query(sources) == [*[(date(2025, 1, 2), None)] * 2, *new[:2]]
    path.write_bytes(ndjson(*before[:1]))
    load_all(home)
    assert query(sources) == [(date(2025, 1, 2), "web"), *new[:2]]


def test_a_column_cannot_change_its_type(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    table.commit(FIRST, [numbers(con, table, "a", FIRST, 1)], keep=replace)
    other = dataclasses.replace(table, columns=(("n", "VARCHAR"), *COLUMNS[1:]))
    with pytest.raises(TypeError, match="column n is"):
        other.commit(SECOND, [numbers(con, other, "b", SECOND, 1)], keep=replace)


def test_many_commits_leave_a_log_that_opens_fast(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    for number in range(120):
        partition = {"day": str(date.fromordinal(date(2025, 1, 1).toordinal() + number))}
        table.commit(partition, [numbers(con, table, str(number), partition, number)], keep=replace)
    assert list((table.root / "_delta_log").glob("*.checkpoint.parquet"))
    assert [n for _, n in contents(con, table)] == list(range(120))


def test_every_stream_has_a_typed_view_before_anything_is_loaded(home: Home, con: duckdb.DuckDBPyConnection) -> None:
    attach_lake(con, home)
    for stream in all_streams():
        described = con.execute(f"describe lake.raw.{stream.system}_{stream.name}").fetchall()
        expected = [(name, type_) for name, type_, _ in raw_columns(stream)]
        assert [row[:2] for row in described] == [*expected, ("load_id", "VARCHAR"), ("extract_date", "DATE")]
    for view in ("loads", "load_sources", "quarantine", "failed_loads"):
        assert con.execute(f"from lake.raw.{view}").fetchall() == []
    named = con.execute("select event_type from lake.raw.event_types where system = 'recommendation'").fetchall()
    assert {name for (name,) in named} == {"impression", "tap", "start", "complete", "abandon"}
    assert not home.lake.exists()


def test_the_date_of_a_file() -> None:
    assert load_date("extract_date=2025-01-02/x.parquet") == date(2025, 1, 2)
    assert Lake(Home(Path("nowhere"))).active_loads() == {}
