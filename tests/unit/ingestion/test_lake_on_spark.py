"""What Spark is shown of the lake: the active files and no others. That Spark reads it so, the parity tests see."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ingestion import lake_on_spark
from ingestion.contract import load_contracts
from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.lake import all_streams
from ingestion.lake_on_spark import literal, show_lake
from ingestion.load import load_extract
from tests.unit.ingestion.conftest import Put, event, ndjson

EVENTS = "study/2025-01-02/events.ndjson"


def load(home: Home) -> None:
    for extract in discover(home).extracts:
        load_extract(home, extract)


def linked(home: Home, name: str) -> set[Path]:
    return {path.resolve() for path in (home.spark / "lake" / name).rglob("*.parquet")}


def view(statements: list[str], name: str) -> str:
    [found] = [s for s in statements if s.startswith(f"create or replace view raw.{name} ")]
    return found


def test_the_active_files_are_linked_and_no_others(home: Home, put: Put) -> None:
    """A corrected extract leaves the file of its first load in the folder: for readers who have it open."""
    put(EVENTS, ndjson(event(1), event(2)))
    load(home)
    list(show_lake(home, "parquet", str(home.root)))
    first = linked(home, "study_events")
    put(EVENTS, ndjson(event(1)))
    load(home)
    list(show_lake(home, "parquet", str(home.root)))
    second = linked(home, "study_events")
    table = DeltaTable((home.lake / "raw" / "study_events").as_uri())
    assert len(first) == len(second) == 1
    assert first != second
    assert [path.name for path in second] == [Path(uri).name for uri in table.file_uris()]
    assert all(path.exists() for path in first | second)


def test_links_hold_when_the_home_is_moved(home: Home, put: Put, tmp_path: Path) -> None:
    put(EVENTS, ndjson(event(1)))
    load(home)
    list(show_lake(home, "parquet", str(home.root)))
    moved = home.root.rename(tmp_path / "elsewhere")
    [link] = (moved / "work" / "spark" / "lake" / "study_events").rglob("*.parquet")
    assert link.exists()
    assert link.parent.name == f"extract_date={date(2025, 1, 2)}"


def test_only_rows_of_active_loads_count_in_the_books(home: Home, put: Put) -> None:
    put(EVENTS, ndjson(event(1), "torn"))
    load(home)
    [before] = [path.stem for path in (home.lake / "raw" / "study_events").rglob("*.parquet")]
    put(EVENTS, ndjson(event(2), "torn", "torn"))
    load(home)
    statements = list(show_lake(home, "parquet", str(home.root)))
    for name in ("loads", "quarantine"):
        assert before not in view(statements, name)
        assert "where" in view(statements, name)
    assert "status = 'loaded'" in view(statements, "loads")


@pytest.mark.parametrize("reader", ["parquet", "delta"])
def test_an_empty_lake_has_every_relation_and_no_row(home: Home, reader: lake_on_spark.Reader) -> None:
    statements = list(show_lake(home, reader, "/mnt/daybook"))
    names = {f"{stream.system}_{stream.name}" for stream in all_streams()} | {"loads", "quarantine"}
    assert all(view(statements, name).endswith("from (select 1) where false") for name in names)


def test_delta_tables_are_read_where_spark_sees_them(home: Home, put: Put) -> None:
    put(EVENTS, ndjson(event(1)))
    load(home)
    statements = list(show_lake(home, "delta", "hdfs://cluster/daybook"))
    assert " from delta.`hdfs://cluster/daybook/lake/raw/study_events` where true" in view(statements, "study_events")
    assert " from delta.`hdfs://cluster/daybook/lake/ledger` where " in view(statements, "loads")
    assert not (home.spark / "lake").exists()


def test_a_column_that_the_contract_gained_is_null_until_a_load_brings_it(
    home: Home, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(EVENTS, ndjson(event(1)))
    load(home)
    table = DeltaTable((home.lake / "raw" / "study_events").as_uri())
    known = {field.name for field in table.schema().fields}
    gained = (*lake_on_spark.Lake(home).raw(load_contracts()["study"].stream("events")).columns, ("mood", "VARCHAR"))
    monkeypatch.setattr("ingestion.lake.Lake.raw", _with_columns(gained))
    shown = view(list(show_lake(home, "delta", str(home.root))), "study_events")
    assert "mood" not in known
    assert "cast(null as string) as `mood`" in shown
    assert "cast(`user_id` as string) as `user_id`" in shown
    assert "cast(`detected_topics` as array<string>) as `detected_topics`" in shown


def _with_columns(columns: lake_on_spark.Columns) -> object:
    raw = lake_on_spark.Lake.raw

    def changed(lake: lake_on_spark.Lake, stream: object) -> lake_on_spark.Table:
        table = raw(lake, stream)  # type: ignore[arg-type]
        return lake_on_spark.Table(table.root, columns if table.root.name == "study_events" else table.columns)

    return changed


def test_a_literal_of_spark() -> None:
    assert literal("it's a \\ path") == "'it\\'s a \\\\ path'"
