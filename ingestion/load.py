"""Loading: one extract from its files, or from a database, into the lake, judged, counted and committed.

What belongs here: the order of the steps, so that a load is whole or has not happened. What does not: each step itself.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from threading import Event, Semaphore
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa

from ingestion import ledger
from ingestion.contract import Stream, load_contracts
from ingestion.database import DatabaseError, retrying, window
from ingestion.erasure import erased_subjects, mentions, secret_key
from ingestion.exact import Exact
from ingestion.extracts import (
    MANIFEST,
    Discovery,
    Extract,
    ExtractError,
    ExtractFile,
    ManifestEntry,
    RecordedFile,
    discover,
    select_pending,
    sha256_of,
    verify,
    why_unreadable,
)
from ingestion.home import Home
from ingestion.lake import Lake, find_stream
from ingestion.ledger import FailedLoad, Load
from ingestion.lock import writer_lock
from ingestion.memory import limit_memory
from ingestion.privacy import in_short
from ingestion.readers import UnreadableFile, read_documents, read_records
from ingestion.recounts import changed_in_databases
from ingestion.retention import delete_quarantined_text
from ingestion.sources import DatabaseSource
from ingestion.sql import quoted
from ingestion.storage import Location, StorageError, landing_of
from ingestion.validation import Drift, Judged, judge, most_drift

# Told how many rows of an extract have been read so far; not always by the thread that asked for the load.
Progress = Callable[[Extract, int], None]


def pending(
    home: Home,
    first: date | None = None,
    last: date | None = None,
    stream: tuple[str, str] | None = None,
    ask_databases: bool = True,
    found: Discovery | None = None,
) -> list[Extract]:
    """The extracts that are new or changed, by date.

    Args:
        home: where the extracts and the lake are.
        first: of an inclusive range of extract dates; by default the oldest.
        last: likewise; by default the newest.
        stream: only those of this system and stream.
        ask_databases: whether to count again the rows of the dates that a database may have changed; if not, only its
            new dates are told, and no database is connected to.
        found: what was discovered, by who has it already.
    """
    loads = ledger.active_loads(home)
    recorded = {key: load.file_set for key, load in loads.items()}
    everything = (found or discover(home, system=stream[0] if stream else None)).extracts
    extracts = [
        extract
        for extract in everything
        if stream in (None, (extract.system, extract.stream))
        and (first or date.min) <= extract.extract_date <= (last or date.max)
    ]

    def checksum(path: Location) -> str:
        fault = why_unreadable(path, landing_of(home))
        if fault is not None:
            raise OSError(fault)
        return sha256_of(path)

    chosen = {*select_pending((extract for extract in extracts if extract.database is None), recorded, checksum)}
    chosen |= {extract for extract in extracts if extract.database is not None and extract.key not in loads}
    if ask_databases:
        chosen |= changed_in_databases(home, everything, {*extracts}, loads)
    return [extract for extract in extracts if extract in chosen]


def load_extract(home: Home, extract: Extract, progress: Progress | None = None) -> Load:
    """Load one extract. Raises ExtractError. For many, a Loader is faster."""
    with Loader(home, cores=1) as loader:
        return loader.load(extract, progress)


@dataclass(frozen=True)
class _Judged:
    """An extract that was read and judged: the pieces lie in tables of its schema."""

    file_set: tuple[RecordedFile, ...]
    pieces: tuple[Judged, ...]
    rows_at_source: int | None = None


@dataclass(frozen=True)
class _Begun:
    """An extract that is being worked on."""

    extract: Extract
    desk: _Desk
    judged: Future[_Judged]


@dataclass(frozen=True)
class _Desk:
    """Where an extract is worked on: a schema of its own in the engine, whose tables are gone with it."""

    engine: duckdb.DuckDBPyConnection
    schema: str
    unwanted: Event = field(default_factory=Event, compare=False)  # set when nobody waits for the extract any more

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one thread, to be closed."""
        con = self.engine.cursor()
        con.execute(f"set enable_progress_bar = false; set schema = {quoted(self.schema)}")
        return con

    def clear(self) -> None:
        """Drop what was judged."""
        with self.engine.cursor() as con:
            con.execute(f"drop schema if exists {self.schema} cascade; create schema {self.schema}")

    def leave(self) -> None:
        """Drop all of it, and read no further."""
        self.unwanted.set()
        with suppress(duckdb.Error), self.engine.cursor() as con:  # an engine that is broken has nothing left
            con.execute(f"drop schema if exists {self.schema} cascade")


class Loader:
    """Loads many extracts, as the one writer: some are read and judged, piece by piece, while one is committed."""

    def __init__(self, home: Home, cores: int | None = None) -> None:
        """Nothing is held before the `with` block begins.

        Args:
            home: where the extracts and the lake are.
            cores: how many pieces are judged at a time; by default one a core. So many extracts are begun, and one
                more for the one being committed.
        """
        self._home = home
        self._lake = Lake(home)
        self._cores = cores or os.cpu_count() or 1
        self._held = ExitStack()

    def __enter__(self) -> Self:
        """Take the writer lock and start the engine."""
        with ExitStack() as stack:
            stack.enter_context(writer_lock(self._home, "load"))
            delete_quarantined_text(self._home, datetime.now(UTC))
            self._key = secret_key(self._home)
            self._erased = erased_subjects(self._home)
            spill = self._home.work / "load.tmp"
            shutil.rmtree(spill, ignore_errors=True)  # of a load that was killed
            spill.mkdir()
            stack.callback(shutil.rmtree, spill, ignore_errors=True)
            self._spills = (spill / str(n) for n in itertools.count())
            self._schemas = itertools.count()
            self._engines = stack.enter_context(ExitStack())
            self._engine = self._new_engine()
            self._judges = stack.enter_context(ThreadPoolExecutor(self._cores))
            self._room = Semaphore(self._cores + 1)  # what waits to be judged takes memory, whatever extract it is of
            self._readers = stack.enter_context(ThreadPoolExecutor(self._cores + 1))
            self._held = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of them."""
        self._held.close()

    def load(self, extract: Extract, progress: Progress | None = None) -> Load:
        """Load one extract, whole, in place of what its date held.

        Raises ExtractError if a file cannot be read, or is not what the manifest says, or whatever else goes wrong: the
        lake is as it was, and the ledger notes the failure.
        """
        [(_, outcome)] = self.load_all([extract], progress)
        if isinstance(outcome, ExtractError):
            raise outcome
        return outcome

    def load_all(
        self, extracts: Iterable[Extract], progress: Progress | None = None
    ) -> Iterator[tuple[Extract, Load | ExtractError]]:
        """Load extracts, each as `load` does, in their order. An error is handed out, and stops no other."""
        begun: deque[_Begun] = deque()
        try:
            for extract in extracts:
                if len(begun) > self._cores:
                    outcome = self._finish(begun)
                    yield begun.popleft().extract, outcome
                desk = self._new_desk(find_stream(extract.system, extract.stream))
                begun.append(_Begun(extract, desk, self._readers.submit(self._judge, desk, extract, progress)))
            while begun:
                outcome = self._finish(begun)
                yield begun.popleft().extract, outcome
        finally:
            for left in begun:
                left.desk.unwanted.set()
            wait([left.judged for left in begun if not left.judged.cancel()])
            for left in begun:
                left.desk.leave()

    def _new_engine(self) -> duckdb.DuckDBPyConnection:
        """An engine that spills into a folder of its own what it cannot hold."""
        con = self._engines.enter_context(duckdb.connect())
        con.execute("set threads = 1")  # a query for each core is more than one query with many threads; see _threads
        con.execute(f"set temp_directory = {quoted(str(next(self._spills)))}")
        con.execute("set global timezone = 'UTC'")
        limit_memory(con)
        return con

    def _new_desk(self, stream: Stream) -> _Desk:
        """A place for the next extract; an engine that an error has broken is replaced."""
        schema = f"extract_{next(self._schemas)}"
        try:
            self._engine.execute(f"create schema {schema}")
        except duckdb.Error:
            self._engine = self._new_engine()
            self._engine.execute(f"create schema {schema}")
        Exact(stream, self._key).register(self._engine)  # what a cursor registers is gone with the cursor
        return _Desk(self._engine, schema)

    def _finish(self, begun: Sequence[_Begun]) -> Load | ExtractError:
        """Commit the first of the extracts that are worked on. No other one is begun meanwhile."""
        extract, desk, now = begun[0].extract, begun[0].desk, datetime.now(UTC)
        try:
            judged = begun[0].judged.result()
            is_last_at_work = all(other.judged.done() for other in begun)
            with desk.cursor() as con, _threads(con, self._cores if is_last_at_work else 1):
                return self._post(con, extract, now, judged)
        except Exception as error:
            failed = error if isinstance(error, ExtractError) else _unforeseen(str(extract), error)
        finally:
            desk.leave()
        load_id = ledger.new_load_id(now)
        note = FailedLoad(load_id, extract.system, extract.stream, extract.extract_date, now, str(failed))
        with duckdb.connect() as con:
            ledger.append(con, self._lake, note)
        return failed

    def _judge(self, desk: _Desk, extract: Extract, progress: Progress | None) -> _Judged:
        """Read and judge an extract. Nothing is written."""
        if extract.database is None:
            return self._judge_files(desk, extract, progress)
        try:
            call = retrying(extract.database, desk.unwanted)
            judged: _Judged = call(self._judge_window, desk, extract, extract.database, progress)
            return judged
        except (DatabaseError, UnreadableFile) as error:
            raise ExtractError(f"{extract}: {error}") from error
        except ExtractError:
            raise
        except Exception as error:
            raise _unforeseen(str(extract), error) from error

    def _judge_window(
        self, desk: _Desk, extract: Extract, source: DatabaseSource, progress: Progress | None
    ) -> _Judged:
        """Read and judge what a database received on a date, from the first row on."""
        desk.clear()  # of an attempt that was interrupted
        read_at, size, content = time.time_ns(), 0, hashlib.sha256()
        rows = read = 0
        pieces: list[Judged] = []

        def noted(documents: pa.Table) -> pa.Table:
            nonlocal size, read
            read += len(documents)
            for raw in documents["raw"].chunks:
                text = memoryview(raw.buffers()[2])
                size += len(text)
                content.update(text)
            return documents

        stream = find_stream(extract.system, extract.stream)
        with (
            window(source, stream, extract.extract_date) as opened,
            closing(opened.rows()) as records,  # before the window is: what nobody wants is not read to the end
            desk.cursor() as con,
        ):
            expected = opened.count()
            documents = map(noted, read_records(con, opened.name, records, opened.is_known, opened.is_valid))
            for _, piece in self._judge_pieces(desk, extract, ((str(extract), some) for some in documents)):
                pieces.append(piece)
                rows += piece.rows_read
                if progress is not None:
                    progress(extract, rows)
        if read != expected:
            raise ExtractError(f"{extract}: {opened.name} counts {expected} rows, but {read} came")
        recorded = RecordedFile(opened.name, size, read_at, content.hexdigest())
        return _Judged((recorded,), tuple(pieces), expected)

    def _judge_files(self, desk: _Desk, extract: Extract, progress: Progress | None) -> _Judged:
        """Read and judge the files of an extract."""
        manifest = verify(extract, landing_of(self._home)) or {}
        file_set: list[RecordedFile] = []
        pieces: list[Judged] = []
        rows: Counter[str] = Counter()
        for place, piece in self._judge_pieces(desk, extract, self._documents(desk, extract, manifest, file_set)):
            pieces.append(piece)
            rows[place] += piece.rows_read
            if progress is not None:
                progress(extract, rows.total())
        for file, recorded in zip(extract.files, file_set, strict=True):
            listed = manifest.get(file.name)
            if listed is not None and listed.rows != rows[file.place]:
                raise ExtractError(f"{file.place}: {rows[file.place]} rows, but {listed.rows} in {MANIFEST}")
            if _stated(file) != (recorded.size, recorded.modified_ns, recorded.etag):
                raise ExtractError(f"{file.place}: changed while it was read")
        return _Judged(tuple(file_set), tuple(pieces))

    def _documents(
        self, desk: _Desk, extract: Extract, manifest: Mapping[str, ManifestEntry], file_set: list[RecordedFile]
    ) -> Iterator[tuple[str, pa.Table]]:
        """The rows of the files, a piece at a time, each with its file's place; notes the files as they are before."""
        stream = find_stream(extract.system, extract.stream)
        with desk.cursor() as con:
            for file in extract.files:
                recorded, listed = _record(file), manifest.get(file.name)
                if listed is not None and listed.sha256 != recorded.sha256:
                    raise ExtractError(f"{file.place}: sha256 {recorded.sha256}, but {listed.sha256} in {MANIFEST}")
                file_set.append(recorded)
                try:
                    for documents in read_documents(con, stream, file.path):
                        yield file.place, documents
                except UnreadableFile as error:
                    raise ExtractError(f"{file.place}: {error}") from error
                except Exception as error:
                    raise _unforeseen(file.place, error) from error

    def _judge_pieces(
        self, desk: _Desk, extract: Extract, pieces: Iterable[tuple[str, pa.Table]]
    ) -> Iterator[tuple[str, Judged]]:
        """The verdicts on pieces, in their order, each with its place. Some are judged while the next one is read."""
        begun: deque[tuple[str, Future[Judged]]] = deque()
        try:
            for place, documents in pieces:
                if desk.unwanted.is_set():
                    raise CancelledError
                self._room.acquire()
                future = self._judges.submit(self._judge_documents, desk, extract, documents)
                future.add_done_callback(lambda _: self._room.release())
                begun.append((place, future))
                while begun and begun[0][1].done():
                    yield _verdict(*begun.popleft())
            while begun:
                yield _verdict(*begun.popleft())
        finally:
            wait([future for _, future in begun if not future.cancel()])

    def _judge_documents(self, desk: _Desk, extract: Extract, documents: pa.Table) -> Judged:
        """The verdicts on some rows."""
        stream = find_stream(extract.system, extract.stream)
        with desk.cursor() as con:
            con.register("documents", documents)
            judged = judge(con, stream, "documents", extract.extract_date, self._key, self._erased)
            return self._without_erased(con, judged) if self._erased and judged.rows_rejected else judged

    def _without_erased(self, con: duckdb.DuckDBPyConnection, judged: Judged) -> Judged:
        """Rejected rows that mention an erased person are counted as erased, like the rows that could be read."""
        raws = [raw for (raw,) in con.execute(f"select distinct raw from {judged.rejected}").fetchall()]
        gone = [raw for raw in raws if mentions(raw, self._erased, self._key)]
        con.register("gone", pa.table({"raw": pa.array(gone, pa.string())}))
        erased = dict(
            con.execute(
                f"select reason, count(*) from {judged.rejected} semi join gone using (raw) group by all"
            ).fetchall()
        )
        con.execute(f"delete from {judged.rejected} where raw in (select raw from gone)")
        rows = sum(erased.values())
        return replace(
            judged,
            rows_rejected=judged.rows_rejected - rows,
            rows_erased=judged.rows_erased + rows,
            rejected_by_reason=dict(Counter(judged.rejected_by_reason) - Counter(erased)),
        )

    def _post(self, con: duckdb.DuckDBPyConnection, extract: Extract, now: datetime, judged: _Judged) -> Load:
        rejected: Counter[str] = Counter()
        drift: Counter[Drift] = Counter()
        for piece in judged.pieces:
            rejected.update(piece.rejected_by_reason)
            drift.update({replace(found, rows=0): found.rows for found in piece.drift})
        load = Load(
            load_id=ledger.new_load_id(now),
            system=extract.system,
            stream=extract.stream,
            extract_date=extract.extract_date,
            loaded_at=now,
            rows_read=sum(piece.rows_read for piece in judged.pieces),
            rows_accepted=sum(piece.rows_accepted for piece in judged.pieces),
            rejected=dict(rejected),
            rows_erased=sum(piece.rows_erased for piece in judged.pieces),
            files=len(judged.file_set),
            bytes=sum(file.size for file in judged.file_set),
            contract_sha256=load_contracts()[extract.system].sha256,
            file_set=judged.file_set,
            drift=tuple(sorted(most_drift([replace(found, rows=rows) for found, rows in drift.items()]), key=str)),
            rows_at_source=judged.rows_at_source,
        )
        raw, quarantine = self._lake.raw(find_stream(extract.system, extract.stream)), self._lake.quarantine
        return ledger.post(
            con,
            self._lake,
            load,
            accepted=raw.rows_like(piece.accepted for piece in judged.pieces),
            rejected=quarantine.rows_like(piece.rejected for piece in judged.pieces),
        )


@contextmanager
def _threads(con: duckdb.DuckDBPyConnection, threads: int) -> Iterator[None]:
    """Let a query have so many threads of the connection's engine: more than one only where it is all that runs."""
    con.execute(f"set threads = {threads}")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # an engine that is broken is replaced
            con.execute("set threads = 1")


def _unforeseen(place: str, error: Exception) -> ExtractError:
    """What nobody thought of, as the failure of one extract."""
    known = isinstance(error, StorageError)
    cause = str(error) if known else f"{type(error).__name__}: {in_short(str(error))}"
    failure = ExtractError(f"{place}: {cause.rstrip(': ')}")
    failure.__cause__ = error
    return failure


def _verdict(place: str, future: Future[Judged]) -> tuple[str, Judged]:
    """Wait for a piece. Raises ExtractError, which names where it came from."""
    try:
        return place, future.result()
    except Exception as error:
        raise _unforeseen(place, error) from error


def _record(file: ExtractFile) -> RecordedFile:
    """The file as it is now."""
    size, modified_ns, etag = _stated(file)
    try:
        return RecordedFile(file.name, size, modified_ns, sha256_of(file.path), etag)
    except OSError as error:
        raise ExtractError(f"{file.place}: {error.strerror}") from error


def _stated(file: ExtractFile) -> tuple[int, int, str | None]:
    try:
        found = file.path.stat()
    except OSError as error:
        raise ExtractError(f"{file.place}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns, getattr(found, "etag", None)
