"""The ledger: one row for each load, saying where every row read went; and the proof that it is true of the lake.

What belongs here: the account of loads and its check against the lake. What does not: the verdicts of dbt, which are
made from it later (duplicates, conflicts, held rows).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.contract import REASONS, Stream
from ingestion.extracts import RecordedFile
from ingestion.home import Home
from ingestion.lake import (
    FAILED_COLUMNS,
    LEDGER_COLUMNS,
    NO_SOURCE,
    Lake,
    attach_ledger,
    find_stream,
    load_of,
)
from ingestion.sql import quoted
from ingestion.validation import SOURCE, Drift

# Files of the ledger, one from each load, that are merged into one when there are so many.
_MERGE_AT = 64

# The beginning of a load's name.
_LOAD_TIME = "%Y%m%dT%H%M%S%fZ"

_PLACE = "source_file, source_line, batch_index"

Key = tuple[str, str, date]  # system, stream, extract date


@dataclass(frozen=True)
class SourceRows:
    """How many rows of a load came from one source (a client's name, or `-`); erased rows are none's."""

    source: str
    rows_read: int
    rows_rejected: int
    batches: int  # that they came in; 0 in a stream without batches


@dataclass(frozen=True)
class Load:
    """One load of a stream and extract date: what was read, and where it went."""

    load_id: str
    system: str
    stream: str
    extract_date: date
    loaded_at: datetime
    rows_read: int
    rows_accepted: int
    rejected: dict[str, int]
    rows_erased: int
    files: int
    bytes: int
    contract_sha256: str
    file_set: tuple[RecordedFile, ...] = ()
    drift: tuple[Drift, ...] = field(default=())
    sources: tuple[SourceRows, ...] | None = None  # counted when the load is posted; None: nobody counted them
    rows_at_source: int | None = None  # as the database counted them before they were read; None: they came in files

    def __post_init__(self) -> None:
        """The account balances, or there is no load."""
        if self.rows_read != self.rows_accepted + self.rows_rejected + self.rows_erased:
            raise AssertionError(f"the load does not balance: {self}")

    @property
    def rows_rejected(self) -> int:
        """Rows that failed a check, for whatever reason."""
        return sum(self.rejected.values())

    @property
    def key(self) -> Key:
        """What was loaded."""
        return self.system, self.stream, self.extract_date


@dataclass(frozen=True)
class FailedLoad:
    """An extract that could not be loaded, and why."""

    load_id: str
    system: str
    stream: str
    extract_date: date
    loaded_at: datetime
    error: str

    @property
    def key(self) -> Key:
        """What was to be loaded."""
        return self.system, self.stream, self.extract_date


@dataclass(frozen=True)
class Counts:
    """What the lake holds of a load."""

    rows_accepted: int
    rejected: dict[str, int]

    @property
    def rows(self) -> int:
        """All of them."""
        return self.rows_accepted + sum(self.rejected.values())


@dataclass(frozen=True)
class Difference:
    """A load whose ledger row says something else than the lake holds."""

    load_id: str
    system: str
    stream: str
    extract_date: date
    what: str
    ledger: int
    lake: int


def new_load_id(now: datetime) -> str:
    """A name for a load that begins now; in the order of time, and never given twice."""
    return f"{now.astimezone(UTC):{_LOAD_TIME}}-{secrets.token_hex(4)}"


def loaded_at(load_id: str) -> datetime:
    """When the load of that name began."""
    return datetime.strptime(load_id.partition("-")[0], _LOAD_TIME).replace(tzinfo=UTC)


def post(con: duckdb.DuckDBPyConnection, lake: Lake, load: Load, accepted: str, rejected: str) -> Load:
    """Put a load in place of what its date held, whole or not at all; gives it with the counts of its sources.

    `accepted` and `rejected` are queries for the rows of the raw table and of the quarantine, whatever load they name.
    Quarantine and ledger come first: they count for nothing until the commit on the raw table makes the load active.
    """
    stream = find_stream(load.system, load.stream)
    load = replace(load, sources=_sources(con, stream, accepted, rejected))
    day = {"extract_date": str(load.extract_date)}
    partition = {"system": load.system, "stream": load.stream, **day}
    own = f"{quoted(load.load_id)} as load_id"
    if load.rows_rejected:
        query = f"select * exclude (load_id), {own} from ({rejected}) order by {_PLACE}"
        rows = lake.quarantine.write(con, partition, load.load_id, query, load.rows_rejected)
        lake.quarantine.commit(partition, [rows], keep=_every)
    append(con, lake, load)
    # In the order of time: a reader of a few days skips what lies outside of them.
    order = f"{stream.time_field}, row_id, {_PLACE}" if stream.time_field else f"row_id, {_PLACE}"
    query = f"select * exclude (load_id), {own} from ({accepted}) order by {order}"
    raw = lake.raw(stream)
    rows = raw.write(con, day, load.load_id, query, load.rows_accepted)
    raw.commit(day, [rows], keep=_none)
    lake.quarantine.commit(partition, [], keep=lambda path: load_of(path) == load.load_id)
    return load


def withdraw(lake: Lake, load: Load) -> None:
    """Take a load out of the lake: its date is as if it had never been delivered. The ledger keeps its entry."""
    day = {"extract_date": str(load.extract_date)}
    lake.raw(find_stream(load.system, load.stream)).commit(day, [], keep=_none)
    lake.quarantine.commit({"system": load.system, "stream": load.stream, **day}, [], keep=_none)


def _sources(con: duckdb.DuckDBPyConnection, stream: Stream, accepted: str, rejected: str) -> tuple[SourceRows, ...]:
    """Where the rows of a load came from. Reference rows have no source."""
    if stream.kind == "reference":
        return ()
    fields = {field.name for field in (*stream.envelope, *stream.batch)}
    source = f"coalesce({SOURCE}, {quoted(NO_SOURCE)})" if SOURCE in fields else quoted(NO_SOURCE)
    batches = "count(distinct (source_file, source_line))" if stream.kind == "batches" else "0"
    rows = con.execute(f"""
        with rows as (
            select *, false as is_rejected from ({accepted})
            union all by name
            select *, true as is_rejected from ({rejected})
        )
        select {source} as source, count(*), count_if(is_rejected), {batches} from rows group by all order by all""")
    return tuple(SourceRows(*row) for row in rows.fetchall())


def append(con: duckdb.DuckDBPyConnection, lake: Lake, entry: Load | FailedLoad) -> None:
    """Write an entry into the ledger."""
    con.register("entry", pa.Table.from_pylist([_row(entry)]))
    row = lake.ledger.write(con, {}, entry.load_id, lake.ledger.rows_like(["entry"]), 1)
    con.unregister("entry")
    if lake.ledger.commit({}, [row], keep=_every) >= _MERGE_AT:
        query = f"{lake.ledger.rows_of(lake.ledger.files())} order by load_id"
        [(entries,)] = con.execute(f"select count(*) from ({query})").fetchall()
        merged = lake.ledger.write(con, {}, f"merged-{entry.load_id}", query, entries)
        lake.ledger.commit({}, [merged], keep=_none)


def _every(path: str) -> bool:
    return True


def _none(path: str) -> bool:
    return False


def active_loads(home: Home) -> dict[Key, Load]:
    """The active load of each stream and extract date, in the order of loading."""
    with duckdb.connect() as con:
        attach_ledger(con, Lake(home))
        cursor = con.execute("from lake.raw.loads order by load_id")
        names = [column[0] for column in cursor.description or []]
        loads = [_load(dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
    return {load.key: load for load in loads}


def failed_loads(home: Home) -> list[FailedLoad]:
    """Every failure so far, the oldest first."""
    with duckdb.connect() as con:
        attach_ledger(con, Lake(home))
        columns = ", ".join(name for name, _ in FAILED_COLUMNS)
        rows = con.execute(f"select {columns} from lake.raw.failed_loads order by load_id").fetchall()
    return [FailedLoad(row[0], row[1], row[2], row[3], row[4].replace(tzinfo=UTC), row[5]) for row in rows]


def recompute(home: Home, load_ids: Collection[str] | None = None) -> dict[str, Counts]:
    """The counts of active loads (all, or the given ones) as the lake's rows give them, by load id."""
    lake = Lake(home)
    with duckdb.connect() as con:
        accepted: dict[str, int] = {}
        for (system, stream), loads in lake.active_loads().items():
            table = lake.raw(find_stream(system, stream))
            wanted = {load_id for load_id in loads.values() if load_ids is None or load_id in load_ids}
            files = [path for path in table.files() if load_of(path) in wanted]
            accepted |= dict.fromkeys(wanted, 0)
            query = f"select load_id, count(*) from ({table.rows_of(files)}) group by load_id"
            accepted |= dict(con.execute(query).fetchall())
        rejected: dict[str, dict[str, int]] = {load_id: {} for load_id in accepted}
        files = [path for path in lake.quarantine.files() if load_of(path) in accepted]
        query = f"select load_id, reason, count(*) from ({lake.quarantine.rows_of(files)}) group by all"
        for load_id, reason, rows in con.execute(query).fetchall():
            rejected[load_id][reason] = rows
    return {load_id: Counts(rows, rejected[load_id]) for load_id, rows in accepted.items()}


def verify(home: Home, load_ids: Collection[str] | None = None) -> list[Difference]:
    """Where the ledger and the lake disagree about active loads (all, or the given ones).

    And where rows that a database counted did not all come: of batches that shows in no count of the lake, for their
    rows are events; loading them compares it.
    """
    loads = {load.load_id: load for load in active_loads(home).values()}
    counted = recompute(home, load_ids)
    differences = []
    for (system, stream), dates in Lake(home).active_loads().items():
        for day, load_id in dates.items():
            if load_id in counted:
                load = loads.get(load_id)
                said = _figures(load) if load else {"loads": 0}
                held = _figures(counted[load_id])
                if load and load.rows_at_source is not None and find_stream(system, stream).kind != "batches":
                    said["rows_at_source"] = load.rows_at_source
                    held["rows_at_source"] = counted[load_id].rows + load.rows_erased
                differences += [
                    Difference(load_id, system, stream, day, what, said.get(what, 0), held.get(what, 0))
                    for what in sorted(said.keys() | held.keys())
                    if said.get(what, 0) != held.get(what, 0)
                ]
    return sorted(differences, key=lambda found: (found.extract_date, found.system, found.stream, found.what))


def _figures(counts: Load | Counts) -> dict[str, int]:
    rejected = {f"rejected_{reason}": rows for reason, rows in counts.rejected.items()}
    return {"loads": 1, "rows_valid": counts.rows_accepted, **rejected}


def _row(entry: Load | FailedLoad) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(name for name, _ in LEDGER_COLUMNS)
    row |= {
        "load_id": entry.load_id,
        "system": entry.system,
        "stream": entry.stream,
        "extract_date": entry.extract_date,
        "loaded_at": entry.loaded_at.astimezone(UTC).replace(tzinfo=None),
    }
    if isinstance(entry, FailedLoad):
        return row | {"status": "failed", "error": entry.error}
    return row | {
        "status": "loaded",
        "rows_read": entry.rows_read,
        "rows_valid": entry.rows_accepted,
        "rows_rejected": entry.rows_rejected,
        **{f"rejected_{reason}": entry.rejected.get(reason, 0) for reason in REASONS},
        "rows_erased": entry.rows_erased,
        "files": entry.files,
        "bytes": entry.bytes,
        "contract_sha256": entry.contract_sha256,
        "file_set": json.dumps([asdict(file) for file in entry.file_set]),
        "drift": json.dumps([asdict(drift) for drift in entry.drift]),
        "sources": None if entry.sources is None else json.dumps([asdict(rows) for rows in entry.sources]),
        "rows_at_source": entry.rows_at_source,
    }


def _load(row: dict[str, Any]) -> Load:
    return Load(
        load_id=row["load_id"],
        system=row["system"],
        stream=row["stream"],
        extract_date=row["extract_date"],
        loaded_at=row["loaded_at"].replace(tzinfo=UTC),
        rows_read=row["rows_read"],
        rows_accepted=row["rows_valid"],
        rejected={reason: rows for reason in REASONS if (rows := row[f"rejected_{reason}"])},
        rows_erased=row["rows_erased"],
        files=row["files"],
        bytes=row["bytes"],
        contract_sha256=row["contract_sha256"],
        file_set=tuple(RecordedFile(**file) for file in json.loads(row["file_set"])),
        drift=tuple(Drift(**drift) for drift in json.loads(row["drift"])),
        sources=row["sources"] and tuple(SourceRows(**rows) for rows in json.loads(row["sources"])),
        rows_at_source=row["rows_at_source"],
    )
