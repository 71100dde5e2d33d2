"""A row as it lies in the landing zone or in a database, found by its file and line as lake and quarantine name them.

What belongs here: the row, and whether its file is still the one that was loaded. What does not: what became of the row
(`ledger`, and the warehouse).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contract import Stream, load_contracts
from ingestion.database import DatabaseError, name_of, window
from ingestion.extracts import ExtractError, RecordedFile, is_anything, sha256_of, stream_of, why_unreadable
from ingestion.home import Home
from ingestion.ledger import active_loads
from ingestion.readers import UnreadableFile, read_documents, read_records
from ingestion.sources import DatabaseSource, load_sources
from ingestion.storage import Location, ObjectStat, landing_of


@dataclass(frozen=True)
class ShownRow:
    """A row as it lies, and as the JSON document that it was judged as; None where it is malformed."""

    raw: str
    document: str | None


@dataclass(frozen=True)
class Place:
    """A file of the landing zone, by what its name says; or a date of a database."""

    path: Location
    stream: Stream
    extract_date: date
    database: DatabaseSource | None = None

    def __str__(self) -> str:
        """The file as lake and messages name it: relative to the landing zone."""
        return f"{self.stream.system}/{self.extract_date}/{self.path.name}"


def find_place(home: Home, file: str) -> Place:
    """The place that `<system>/<YYYY-MM-DD>/<name>` names, whether or not a row lies there. Raises ExtractError.

    The name is that of a file, or of a database and its table, as they stand in `source_file`.
    """
    try:
        system, day, name = file.split("/", 2)
        extract_date = date.fromisoformat(day)
        contract = load_contracts()[system]
    except (ValueError, KeyError):
        raise _no_name(file) from None
    path = landing_of(home) / system / day / name
    of_file = None if "/" in name else stream_of(name, [stream.name for stream in contract.streams])
    if of_file is not None:
        return Place(path, contract.stream(of_file), extract_date)
    try:
        found = [
            (stream, source)
            for (of_system, stream), source in load_sources(home).databases.items()
            if of_system == system and name_of(source, stream) == name
        ]
    except DatabaseError as error:
        raise ExtractError(f"{file}: {error}") from error
    if len(found) > 1:
        streams = " and ".join(stream for stream, _ in found)
        raise ExtractError(
            f"{file}: {streams} are read from there; with a query for one of them the two have names of their own"
        )
    for stream, source in found:
        return Place(path, contract.stream(stream), extract_date, source)
    raise _no_name(file)


def _no_name(file: str) -> ExtractError:
    known = "<system>/<YYYY-MM-DD>/<stream>* of a file, or <system>/<YYYY-MM-DD>/<source_file> of a database"
    return ExtractError(f"{file}: not the name of an extract's file: {known}")


def show_row(place: Place, line: int, batch_index: int | None = None) -> ShownRow:
    """A row by its line (or number, in CSV and Parquet), or one event of a batch by its index. Raises ExtractError."""
    try:
        with duckdb.connect() as con, _documents(con, place, line) as documents:
            for piece in documents:
                at = pc.index(piece["source_line"], line).as_py()
                if at >= 0:
                    found = ShownRow(piece["raw"][at].as_py(), piece["doc"][at].as_py())
                    return found if batch_index is None else _event_of(con, place, line, found, batch_index)
    except (UnreadableFile, DatabaseError) as error:
        raise ExtractError(f"{place}: {error}") from error
    raise ExtractError(f"{place}: there is no row {line}")


@contextmanager
def _documents(con: duckdb.DuckDBPyConnection, place: Place, line: int) -> Iterator[Iterator[pa.Table]]:
    """The rows of a file; of a database the one row, for it is found by its place in the order."""
    if place.database is None:
        yield read_documents(con, place.stream, place.path)
        return
    with window(place.database, place.stream, place.extract_date) as opened:
        yield read_records(con, opened.name, opened.row(max(line, 1)), first=line)


def difference(home: Home, place: Place) -> str | None:
    """What tells the file from the one that was loaded, None where nothing does.

    Of a database: where it counts other rows now. Raises ExtractError if the file is gone, or is none that may be
    opened, or the database cannot be asked.
    """
    if place.database is not None:
        return _difference_at_source(home, place, place.database)
    try:
        is_there = is_anything(place.path)
        unreadable = why_unreadable(place.path, landing_of(home)) if is_there else None
    except OSError as error:
        unreadable = error.strerror
    if unreadable:
        raise ExtractError(f"{place}: {unreadable}")
    load = active_loads(home).get((place.stream.system, place.stream.name, place.extract_date))
    recorded = {file.name: file for file in load.file_set} if load else {}
    loaded = recorded.get(place.path.name)
    if not is_there:
        kept = f"; the lake keeps what load {load.load_id} took from it" if load and loaded else ""
        raise ExtractError(f"{place}: no such file{kept}")
    if load is None or loaded is None:
        return f"{place}: no load took this file"
    return None if _is_same(place.path, loaded) else f"{place}: changed since load {load.load_id} took it"


def _difference_at_source(home: Home, place: Place, source: DatabaseSource) -> str | None:
    load = active_loads(home).get((place.stream.system, place.stream.name, place.extract_date))
    if load is None or load.rows_at_source is None:
        return f"{place}: no load took rows from there"
    try:
        with window(source, place.stream, place.extract_date) as opened:
            rows = opened.count()
    except DatabaseError as error:
        raise ExtractError(f"{place}: {error}") from error
    told = f"{place}: {rows:,} rows now, and {load.rows_at_source:,} when load {load.load_id} took them"
    return told if rows != load.rows_at_source else None


def _is_same(path: Location, loaded: RecordedFile) -> bool:
    now = path.stat()
    if isinstance(now, ObjectStat):
        return (now.st_size, now.etag) == (loaded.size, loaded.etag)
    return now.st_size == loaded.size and (now.st_mtime_ns == loaded.modified_ns or sha256_of(path) == loaded.sha256)


def _event_of(con: duckdb.DuckDBPyConnection, place: Place, line: int, row: ShownRow, index: int) -> ShownRow:
    """One event of a batch. Of any other row there is one event: the row."""
    if place.stream.list_field is None or row.document is None:
        return row
    path = f"$.{place.stream.list_field}[{index}]"
    ((event,),) = con.execute("select json_extract(?::json, ?)::varchar", [row.document, path]).fetchall()
    if event is None:
        ((events,),) = con.execute(
            "select json_array_length(?::json, ?)", [row.document, f"$.{place.stream.list_field}"]
        ).fetchall()
        raise ExtractError(f"{place}: row {line} has no event {index}; it has {events or 0}, and the first one is 0")
    return ShownRow(event, event)
