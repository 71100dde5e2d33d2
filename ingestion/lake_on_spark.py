"""The lake as Spark sees it: the statements that show its active loads as the schema `raw`.

What belongs here: which files or Delta tables each relation reads, as SQL. What does not: sending the SQL to Spark
(`orchestration.spark`), and the lake itself (`lake.py`, whose `attach_lake` shows the same relations in DuckDB).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from ingestion.contract import load_contracts
from ingestion.home import Home
from ingestion.lake import (
    FAILED_COLUMNS,
    LOAD_COLUMNS,
    LOAD_KEY,
    QUARANTINE_COLUMNS,
    SOURCE_COLUMNS,
    SOURCES_SQL,
    Columns,
    Lake,
    Table,
    all_streams,
    event_types,
    load_of,
    mastery_views,
    saved_tables,
)
from ingestion.storage import StorageError

# How Spark reads the lake: as Delta, or, where it has no Delta, the active Parquet files of the Delta log.
Reader = Literal["delta", "parquet"]

SCHEMA = "raw"


def show_lake(home: Home, reader: Reader, root: str) -> Iterator[str]:
    """The statements that make `raw.*` in Spark what `lake.raw.*` is in DuckDB, as of now.

    `root` is the home's folder as Spark sees it. For `parquet`, the active files are linked into a folder that holds no
    others (`home.spark`), for a reader of folders would take those of replaced loads too.
    """
    lake = Lake(home)
    yield f"create schema if not exists {SCHEMA}"
    if reader == "parquet":
        # The partitions are the folders that are there: a catalog need not be told of each.
        yield "set spark.sql.hive.manageFilesourcePartitions = false"
        shutil.rmtree(_links(home), ignore_errors=True)
    active: list[str] = []
    for stream in all_streams():
        table = lake.raw(stream)
        files = table.files()
        active += [load_of(path) for path in files]
        yield from _show(home, reader, root, table, files, table.root.name, table.columns)
    is_active = f"load_id in ({', '.join(literal(load_id) for load_id in sorted(active)) or 'null'})"
    ledger = (lake.ledger, lake.ledger.files())
    yield from _show(home, reader, root, *ledger, "loads", LOAD_COLUMNS, f"status = 'loaded' and {is_active}")
    yield from _show(home, reader, root, *ledger, "failed_loads", FAILED_COLUMNS, "status = 'failed'")
    key = ", ".join(f"`{column}`" for column, _ in LOAD_KEY)
    members = ", ".join(f"{column}: {_type(type_)}" for column, type_ in SOURCE_COLUMNS)
    yield (
        f"create or replace view {SCHEMA}.load_sources as select {key},"
        f" inline(from_json({SOURCES_SQL}, 'array<struct<{members}>>')) from {SCHEMA}.loads"
    )
    yield from _show(
        home, reader, root, lake.quarantine, lake.quarantine.files(), "quarantine", QUARANTINE_COLUMNS, is_active
    )
    for name, (saved, files, columns) in saved_tables(lake).items():
        is_saved = f"saved_as in ({', '.join(literal(load_of(path)) for path in files) or 'null'})"
        yield from _show(home, reader, root, saved, files, name, columns, is_saved)
    for name, query in mastery_views(SCHEMA).items():
        yield f"create or replace view {SCHEMA}.{name} as {query}"
    types = ", ".join(f"({literal(system)}, {literal(name)})" for system, name in event_types())
    yield f"create or replace view {SCHEMA}.event_types as select * from values {types} as types (system, event_type)"
    contracts = ", ".join(f"({literal(c.system)}, {literal(c.sha256)})" for c in load_contracts().values())
    yield f"create or replace view {SCHEMA}.contracts as select * from values {contracts} as contracts (system, sha256)"


def _show(
    home: Home,
    reader: Reader,
    root: str,
    table: Table,
    files: Sequence[str],
    name: str,
    columns: Columns,
    condition: str = "true",
) -> Iterator[str]:
    """A view over one Delta table's rows; what its older files or its schema lack is NULL."""
    known = {column for column, _ in table.columns}
    if not files:
        source, known, condition = "(select 1)", set(), "false"
    elif reader == "delta":
        source = f"delta.`{_folder(home, root, table)}`"
        known = table.stored_columns()
    else:
        source = f"{SCHEMA}.{name}__files"
        folder = _link(home, table, files, name)
        fields = ", ".join(f"`{column}` {_type(type_)}" for column, type_ in table.columns)
        partitions = f" partitioned by ({', '.join(table.partition_by)})" if table.partition_by else ""
        yield f"drop table if exists {source}"
        yield (
            f"create table {source} ({fields}) using parquet{partitions}"
            f" location {literal(f'{root}/{folder.relative_to(home.root).as_posix()}')}"
        )
    selected = ", ".join(
        f"cast({f'`{column}`' if column in known else 'null'} as {_type(type_)}) as `{column}`"
        for column, type_ in columns
    )
    yield f"create or replace view {SCHEMA}.{name} as select {selected} from {source} where {condition}"


def _folder(home: Home, root: str, table: Table) -> str:
    """A Delta table's folder as Spark sees it; a bucket is for Spark to reach, under Hadoop's name of its scheme."""
    if isinstance(table.root, Path):
        return f"{root}/{table.root.relative_to(home.root).as_posix()}"
    scheme, _, rest = str(table.root).partition("://")
    if scheme == "az":
        raise StorageError(
            f"{table.root}: Spark has another name for it; DAYBOOK_SPARK_FILE_FORMAT=parquet does not need it"
        )
    return f"{'s3a' if scheme == 's3' else scheme}://{rest}"


def _links(home: Home) -> Path:
    return home.spark / "lake"


def _link(home: Home, table: Table, files: Sequence[str], name: str) -> Path:
    """A folder with links to the files alone, in the partitions that they lie in."""
    folder = _links(home) / name
    for path, on_disk in zip(files, table.fetch(files), strict=True):
        link = folder / path
        link.parent.mkdir(parents=True, exist_ok=True)
        # Relative, so that they hold where the home is mounted at another place.
        link.symlink_to(os.path.relpath(on_disk, link.parent))
    return folder


def _type(duckdb_type: str) -> str:
    """Spark's name of a lake column's type."""
    if duckdb_type.endswith("[]"):
        return f"array<{_type(duckdb_type.removesuffix('[]'))}>"
    return {"VARCHAR": "string", "TIMESTAMP": "timestamp_ntz"}.get(duckdb_type, duckdb_type.lower())


def literal(text: str) -> str:
    """A text as an SQL literal of Spark, where a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
