"""Publishing: the audited marts become what analysts read, in one step.

What belongs here: the copy and the swap, in plain Python. What does not: deciding whether to publish (`assets`,
`checks`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.home import Home, wal_of
from ingestion.sql import quoted
from orchestration.databases import count_marts

SCHEMA = "marts"

_PUBLICATION = {
    "table daybook.main.publication": "One row: which code made the marts of this file, and when they were published.",
    "column daybook.main.publication.code": (
        "A hash of all that decides what is made of a lake: code, contracts, settings and libraries. Null where only a"
        " part of the marts was built since."
    ),
    "column daybook.main.publication.published_at": "When the marts were published (UTC).",
}
_FICLONE = 0x40049409  # ioctl: share the blocks of another file, copied on write (Btrfs, XFS, ...)


@dataclass(frozen=True)
class Publication:
    """What was published."""

    path: Path
    bytes: int
    rows: dict[str, int]


def publish(home: Home) -> Publication:
    """Replace the published file by a copy of the marts in the work folder.

    A reader that has the old file open keeps reading it; one that opens at any moment gets a whole file. Whoever calls
    holds the writer lock.
    """
    if not home.marts.is_file():
        raise FileNotFoundError(f"{home.marts}: there are no marts to publish; build them first")
    home.published.parent.mkdir(parents=True, exist_ok=True)
    # One name, not a unique one: what a killed run left behind is overwritten.
    fresh = home.published.with_name(f".{home.published.name}.tmp")
    wal_of(fresh).unlink(missing_ok=True)
    with duckdb.connect(str(home.marts)) as con:
        con.execute("checkpoint")
    if wal_of(home.marts).exists():
        raise RuntimeError(
            f"{home.marts}: the write-ahead log is still there after a checkpoint; is it open elsewhere?"
        )
    _copy(home.marts, fresh)
    rows = _strip(fresh)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(home.published)
    _sync_folder(home.published.parent)
    return Publication(home.published, home.published.stat().st_size, rows)


def _strip(database: Path) -> dict[str, int]:
    """Drop all schemas but the marts' from the copy (the builder's bookkeeping); date it; return the row counts."""
    # Named as analysts will see it: DuckDB names a catalog after its file.
    with duckdb.connect(":memory:") as con:
        con.execute(f"attach {quoted(str(database))} as daybook")
        con.execute("use daybook")
        schemas = con.execute(
            "select schema_name from duckdb_schemas() where database_name = 'daybook' and not internal"
        ).fetchall()
        for (schema,) in schemas:
            if schema not in (SCHEMA, "main"):
                con.execute(f'drop schema daybook."{schema}" cascade')
        rows = count_marts(con)
        if not rows:
            raise RuntimeError(f"{database}: no table in schema {SCHEMA}; nothing is published")
        con.execute("create table if not exists daybook.main.publication (code varchar, published_at timestamp)")
        con.execute(
            "create or replace table daybook.main.publication as "
            "select max(code) as code, ? as published_at from daybook.main.publication",
            [datetime.now(UTC).replace(tzinfo=None)],
        )
        for what, told in _PUBLICATION.items():
            con.execute(f"comment on {what} is {quoted(told)}")
        con.execute("checkpoint daybook")
        con.execute("use memory")
        con.execute("detach daybook")
    return rows


def _copy(source: Path, target: Path) -> None:
    """Copy a file, sharing its blocks where the file system can."""
    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:  # not this file system, or not across these two
            shutil.copyfileobj(read, write, 16 * 1024 * 1024)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder last through a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
