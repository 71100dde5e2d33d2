"""The lake: Delta tables of raw rows, quarantine and ledger, and of the models of topic mastery.

What belongs here: where the tables lie, how files are committed to them, and how a reader sees them as views.
What does not: what is in a load (`load.py`) and in a ledger row (`ledger.py`), and asking a bucket (`storage.py`).

DuckDB writes each Parquet file; a commit adds it to the Delta log and removes the file that it replaces. A file is
named after its load, so the active load of a date is read from the log, never from data. The commit on a raw table is
the one switch of a load: quarantine and ledger rows are written before it, and count only if their load is active.

A file is written once and never changed. So where the lake is in a bucket, engines read copies of its files on the disk
(`home.lake_copies`), each fetched once.

Models are kept likewise: the commit on `mastery_models` is the switch of a save, whose files carry one name.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

import duckdb
import pyarrow as pa
from deltalake import DeltaTable, Field, Schema
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import ArrayType, PrimitiveType
from deltalake.transaction import AddAction, RemoveAction

from ingestion.contract import REASONS, Stream, load_contracts, raw_columns
from ingestion.home import Home
from ingestion.sql import file_name, identifier, quoted
from ingestion.storage import BucketPath, Location, ObjectStat, StorageError, at_once, lake_of, told

Columns = tuple[tuple[str, str], ...]  # (name, DuckDB type)

QUARANTINE_COLUMNS: Columns = (
    ("system", "VARCHAR"),
    ("stream", "VARCHAR"),
    ("extract_date", "DATE"),
    ("source_file", "VARCHAR"),
    ("source_line", "BIGINT"),
    ("batch_index", "INTEGER"),
    ("source", "VARCHAR"),
    ("reason", "VARCHAR"),
    ("detail", "VARCHAR"),
    ("raw", "VARCHAR"),
    ("load_id", "VARCHAR"),
)

LOAD_COLUMNS: Columns = (
    ("load_id", "VARCHAR"),
    ("system", "VARCHAR"),
    ("stream", "VARCHAR"),
    ("extract_date", "DATE"),
    ("loaded_at", "TIMESTAMP"),
    ("rows_read", "BIGINT"),
    ("rows_valid", "BIGINT"),
    ("rows_rejected", "BIGINT"),
    *((f"rejected_{reason}", "BIGINT") for reason in REASONS),
    ("rows_erased", "BIGINT"),
    ("files", "BIGINT"),
    ("bytes", "BIGINT"),
    ("contract_sha256", "VARCHAR"),
    ("file_set", "VARCHAR"),
    ("drift", "VARCHAR"),
    ("sources", "VARCHAR"),
    ("rows_at_source", "BIGINT"),
)
LEDGER_COLUMNS: Columns = (*LOAD_COLUMNS, ("status", "VARCHAR"), ("error", "VARCHAR"))
FAILED_COLUMNS: Columns = (*LOAD_COLUMNS[:5], ("error", "VARCHAR"))
LOAD_KEY: Columns = LOAD_COLUMNS[:4]

# What a load says of one source: the members of the list in `sources`.
SOURCE_COLUMNS: Columns = (
    ("source", "VARCHAR"),
    ("rows_read", "BIGINT"),
    ("rows_rejected", "BIGINT"),
    ("batches", "BIGINT"),
)
NO_SOURCE = "-"  # where a row states none, or none that can be read
# Loads that were made before the ledger had `sources` tell no sources apart.
SOURCES_SQL = f"""coalesce(sources, '[{{"source": "{NO_SOURCE}", "batches": 0'
    || ', "rows_read": ' || cast(rows_read - rows_erased as string)
    || ', "rows_rejected": ' || cast(rows_rejected as string) || '}}]')"""

# Models of topic mastery, as `mastery.store` saves them: coefficients and difficulties with the first save of a model.
SAVE_COLUMNS: Columns = (
    ("saved_as", "VARCHAR"),
    ("model_version", "VARCHAR"),
    ("is_promoted", "BOOLEAN"),
    ("fitted_on", "DATE"),
    ("fitted_attempts", "BIGINT"),
    ("first_attempt_on", "DATE"),
    ("last_attempt_on", "DATE"),
)
COEFFICIENT_COLUMNS: Columns = (("model_version", "VARCHAR"), ("feature", "VARCHAR"), ("coefficient", "DOUBLE"))
DIFFICULTY_COLUMNS: Columns = (
    ("model_version", "VARCHAR"),
    ("level", "VARCHAR"),
    ("id", "VARCHAR"),
    ("difficulty", "DOUBLE"),
    ("expected_millionths", "BIGINT"),
    ("information_millionths", "BIGINT"),
)
FIGURE_COLUMNS: Columns = (
    ("saved_as", "VARCHAR"),
    ("model_version", "VARCHAR"),
    ("split", "VARCHAR"),
    ("method", "VARCHAR"),
    ("evaluated_on", "DATE"),
    ("first_attempt_on", "DATE"),
    ("last_attempt_on", "DATE"),
    ("learners", "BIGINT"),
    ("attempts", "BIGINT"),
    ("auc", "DOUBLE"),
    ("log_loss", "DOUBLE"),
    ("ece", "DOUBLE"),
)

# What the loader adds to a stream's own columns.
_LOADER_COLUMNS: Columns = (("load_id", "VARCHAR"), ("extract_date", "DATE"))

# Each load opens its tables anew: that costs half with few log entries to read since the last checkpoint.
_CONFIGURATION: dict[str, str | None] = {"delta.checkpointInterval": "10"}

# Against the codec's usual level, 3, the lowest takes a quarter off sorting and writing, and the files are no larger.
_PARQUET = "format parquet, compression zstd, compression_level 1"

# Longer than any load takes from its first file to its commit.
_LONGEST_LOAD = timedelta(days=1)

_DELTA_TYPES: dict[str, PrimitiveType | ArrayType] = {
    "VARCHAR": PrimitiveType("string"),
    "BIGINT": PrimitiveType("long"),
    "INTEGER": PrimitiveType("integer"),
    "BOOLEAN": PrimitiveType("boolean"),
    "DOUBLE": PrimitiveType("double"),
    "DATE": PrimitiveType("date"),
    "TIMESTAMP": PrimitiveType("timestamp_ntz"),
    "DECIMAL(18,6)": PrimitiveType("decimal(18,6)"),
    "VARCHAR[]": ArrayType(PrimitiveType("string"), contains_null=True),
}


@dataclass(frozen=True)
class _KnownFiles:
    """The active files of a table in a bucket as of an entry of its log: true as long as that is the newest one."""

    before: str  # a name that comes before the entry's, and behind all that are older
    entry: tuple[str, str | None]  # its name and ETag
    files: dict[str, int]  # their sizes, in order of the names


# To read a log takes a dozen requests, to ask for its newest entry one; and who looks at a lake looks several times.
_known_files: dict[BucketPath, _KnownFiles] = {}


@dataclass(frozen=True)
class Table:
    """One Delta table: its folder, its columns, and those that it is partitioned by."""

    root: Location
    columns: Columns
    partition_by: tuple[str, ...] = ()
    copies: Path | None = None  # of a table in a bucket, the folder of its copies on the disk

    def files(self) -> list[str]:
        """The active files, relative to the table's folder, in order. Raises StorageError."""
        if isinstance(self.root, Path):
            delta = self._open()
            return [] if delta is None else _paths(delta)
        with told(self.root):
            log = self.root / "_delta_log"
            known = _known_files.get(self.root)
            if known is None or known.entry != log.newest_after(known.before):
                delta = self._open()
                if delta is None:
                    return []
                version = f"{delta.version():020}"
                entry = (f"{version}.json", (log / f"{version}.json").stat().etag)
                known = _KnownFiles(version, entry, _sizes(delta))
                _known_files[self.root] = known
            return list(known.files)

    def stored_columns(self) -> set[str]:
        """The columns of the table as it lies: without those that the contract gained since its last commit."""
        delta = self._open()
        return set() if delta is None else {field.name for field in delta.schema().fields}

    def folder(self, partition: Mapping[str, str]) -> PurePosixPath:
        """Where the files of a partition lie, relative to the table's folder."""
        return PurePosixPath(*(f"{name}={partition[name]}" for name in self.partition_by))

    @property
    def disk(self) -> Path:
        """The folder on the disk where engines read and write the files."""
        if isinstance(self.root, Path):
            return self.root
        assert self.copies is not None
        return self.copies

    def fetch(self, files: Iterable[str]) -> list[Path]:
        """Some of the table's files on the disk. Those of a bucket are copied once. Raises StorageError.

        A copy that has not the size that the log says was cut short, by a crash or a full disk, and is made again.
        """
        paths = {file: self.disk / file for file in files}
        if not isinstance(self.root, Path):
            root = self.root
            known = _known_files.get(root)
            sizes = known.files if known else {}
            missing = [file for file, path in paths.items() if not _is_whole(path, sizes.get(file))]
            for _ in at_once(lambda file: self._copy(root / file, paths[file]), missing, root):
                pass
        return list(paths.values())

    def _copy(self, file: BucketPath, path: Path) -> None:
        with told(file):
            file.fetch(path)

    def stored(self) -> Iterator[Location]:
        """Every file of rows that lies there, active or not, and the copies on the disk. Raises StorageError."""
        for root in {self.root, self.disk}:
            with told(root):
                yield from _files_below(root)

    def write(
        self, con: duckdb.DuckDBPyConnection, partition: Mapping[str, str], name: str, query: str, rows: int
    ) -> AddAction:
        """Write the rows of a query, as many as are expected, into one file that is ready to be committed."""
        file = str(self.folder(partition) / f"{name}.parquet")
        path = self.disk / file
        path.parent.mkdir(parents=True, exist_ok=True)
        stored = ", ".join(identifier(name) for name, _ in self.columns if name not in partition)
        [(copied,)] = con.execute(
            f"copy (select {stored} from ({query})) to {quoted(str(path))} ({_PARQUET})"
        ).fetchall()
        if copied != rows:
            raise AssertionError(f"{path}: {copied} rows written, {rows} expected")
        written = path.stat()
        if not isinstance(self.root, Path):
            with told(self.root / file), path.open("rb") as copy:
                os.fsync(copy.fileno())  # it is read from the disk from now on
                (self.root / file).write_bytes(path)
        return AddAction(
            path=file,
            size=written.st_size,
            partition_values=partition,
            modification_time=written.st_mtime_ns // 1_000_000,
            data_change=True,
            stats=json.dumps({"numRecords": rows}),
        )

    def commit(self, partition: Mapping[str, str], add: list[AddAction], keep: Callable[[str], bool]) -> int:
        """Change a partition in one commit: files come, and of those that it held only the ones to keep stay.

        Returns how many files it holds then.

        Files in its folder that were not active until now are what killed loads and earlier commits left behind: they
        are deleted, but in a bucket only the old ones: another home may be about to commit a new one. Those that become
        inactive now stay where they are, for readers that have them open.
        """
        inside = self.folder(partition)
        with told(self.root):
            if not add and not (self.root / inside).is_dir():
                return 0
            delta = self._open() or self._create()
            before = [path for path in _paths(delta) if PurePosixPath(path).parent == inside]
            now = int(time.time() * 1000)
            remove = [
                RemoveAction(path=path, data_change=True, deletion_timestamp=now, partition_values=dict(partition))
                for path in before
                if not keep(path)
            ]
            if add or remove:
                self._write_log(delta, add, remove)
            for root in {self.root, self.disk}:
                left = (path for path in (root / inside).glob("*.parquet") if not _may_be_committed(path))
                _sweep(root, left, {*before, *(action.path for action in add)})
        return len(before) - len(remove) + len(add)

    def _write_log(self, delta: DeltaTable, add: list[AddAction], remove: list[RemoveAction]) -> None:
        """Write one entry of the log. Raises StorageError where another commit came first."""
        try:
            delta.create_write_transaction([*add, *remove], "append", self._schema(delta))
        except (DeltaError, OSError) as error:
            if isinstance(self.root, Path):
                raise
            # A store may do what it is asked, and fail to say so: the second try then meets the entry of the first.
            now = self._open()
            active = {*_paths(now)} if now else set()
            if active.issuperset(action.path for action in add) and active.isdisjoint(a.path for a in remove):
                return
            if isinstance(error, CommitFailedError) and "concurrent" in str(error):
                told = "another commit came first; is another home writing this lake? Nothing was changed"
                raise StorageError(f"{self.root}: {told}") from None
            raise

    def vacuum(self) -> None:
        """Delete every file that is not active, at once: this is how personal data goes.

        Whoever reads without the writer lock may be reading one of them, and another home that writes to the same
        bucket may be about to commit one.
        """
        active = {*self.files()}
        with told(self.root):
            for root in {self.root, self.disk}:
                _sweep(root, _files_below(root), active)

    def rows_like(self, relations: Iterable[str]) -> str:
        """The SQL of the rows of some relations, with exactly this table's columns; those that they lack are NULL."""
        empty = ", ".join(f"null::{type_} as {identifier(name)}" for name, type_ in self.columns)
        rows = " union all by name ".join(
            [*(f"from {relation}" for relation in relations), f"select {empty} where false"]
        )
        columns = ", ".join(f"{identifier(name)}::{type_} as {identifier(name)}" for name, type_ in self.columns)
        return f"select {columns} from ({rows})"

    def rows_of(self, files: list[str]) -> str:
        """The SQL of the rows of some of the table's files; old ones may lack columns that a contract gained later."""
        if not files:
            return self.rows_like([])
        listed = ", ".join(file_name(path) for path in self.fetch(files))
        types = ", ".join(f"{quoted(name)}: {type_}" for name, type_ in self.columns if name in self.partition_by)
        options = f"hive_partitioning = true, hive_types = {{{types}}}" if types else "hive_partitioning = false"
        return self.rows_like([f"read_parquet([{listed}], union_by_name = true, {options})"])

    @property
    def _uri(self) -> str:
        if not isinstance(self.root, Path):
            return str(self.root)
        return self.root.absolute().as_uri()  # a plain path would be taken for a URI where it has a % in it

    @property
    def _options(self) -> dict[str, str] | None:
        return None if isinstance(self.root, Path) else self.root.bucket.delta_options

    def _open(self) -> DeltaTable | None:
        """The table as it is now; a handle grows slower with each commit, so none is kept. Raises StorageError."""
        with told(self.root):
            try:
                return DeltaTable(self._uri, storage_options=self._options)
            except TableNotFoundError:
                return None

    def _create(self) -> DeltaTable:
        if isinstance(self.root, Path):
            self.root.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            self._uri,
            Schema([Field(name, _DELTA_TYPES[type_]) for name, type_ in self.columns]),
            partition_by=list(self.partition_by),
            configuration=_CONFIGURATION,
            storage_options=self._options,
        )

    def _schema(self, delta: DeltaTable) -> Schema:
        """The table's schema; columns that the contract has gained are added to it first."""
        known = {field.name: field.type for field in delta.schema().fields}
        gained = []
        for name, type_ in self.columns:
            if name not in known:
                gained.append(Field(name, _DELTA_TYPES[type_]))
            elif known[name] != _DELTA_TYPES[type_]:
                raise TypeError(f"{self.root}: column {name} is {known[name]} in the lake, and {type_} in the contract")
        if gained:
            delta.alter.add_columns(gained)
        return delta.schema()


class Lake:
    """The tables of one home."""

    def __init__(self, home: Home) -> None:
        """Nothing is opened or created yet. Raises SourcesError."""
        self.root = lake_of(home)
        self._copies = home.lake_copies
        self.quarantine = self._table("quarantine", QUARANTINE_COLUMNS, ("system", "stream", "extract_date"))
        self.ledger = self._table("ledger", LEDGER_COLUMNS)
        self.saves = self._table("mastery_models", SAVE_COLUMNS)
        # A column more than is shown, for the save that a row belongs to: Spark reads tables, not files.
        self.coefficients = self._table("mastery_coefficients", (*COEFFICIENT_COLUMNS, SAVE_COLUMNS[0]))
        self.difficulties = self._table("mastery_difficulties", (*DIFFICULTY_COLUMNS, SAVE_COLUMNS[0]))
        self.figures = self._table("mastery_evaluation", FIGURE_COLUMNS)

    def raw(self, stream: Stream) -> Table:
        """The raw rows of a stream."""
        columns = (*((name, type_) for name, type_, _ in raw_columns(stream)), *_LOADER_COLUMNS)
        return self._table(f"raw/{stream.system}_{stream.name}", columns, ("extract_date",))

    def _table(self, name: str, columns: Columns, partition_by: tuple[str, ...] = ()) -> Table:
        return Table(self.root / name, columns, partition_by, self._copies / name)

    def active_loads(self) -> dict[tuple[str, str], dict[date, str]]:
        """For each stream that was ever loaded, the active load of each extract date."""
        return {
            (stream.system, stream.name): {load_date(path): load_of(path) for path in files}
            for stream, files in self.active_files()
            if files
        }

    def active_files(self) -> list[tuple[Stream, list[str]]]:
        """For each stream, the active files of its raw table, relative to it."""
        streams = all_streams()
        return list(zip(streams, at_once(lambda of: self.raw(of).files(), streams, self.root), strict=True))

    def raw_files(self, system: str, stream: str) -> list[str]:
        """The active Parquet files of a stream, absolute."""
        table = self.raw(find_stream(system, stream))
        return [*map(str, table.fetch(table.files()))]

    def quarantine_files(self) -> list[str]:
        """The Parquet files of the quarantine, absolute; rows count if their load is active."""
        return [*map(str, self.quarantine.fetch(self.quarantine.files()))]

    def ledger_files(self) -> list[str]:
        """The Parquet files of the ledger, absolute; rows count if their load is active."""
        return [*map(str, self.ledger.fetch(self.ledger.files()))]


def attach_lake(con: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Attach the in-memory database `lake`: views over the active loads, as of now.

    `lake.raw.<system>_<stream>` for every stream of every contract, empty where nothing was loaded; `lake.raw.loads`,
    `lake.raw.load_sources`, `lake.raw.quarantine`, `lake.raw.failed_loads`; and of the contracts of today
    `lake.raw.contracts` with the hash of each, and `lake.raw.event_types`; of the models of topic mastery
    `lake.raw.mastery_champion`, `_coefficients`, `_difficulties`, `_evaluation`, and for `mastery.store` `_models` and
    `_figures`. Called again, it shows what is active then.
    """
    lake = Lake(home)
    active = lake.active_files()
    attach_ledger(con, lake, active)
    for stream, files in active:
        table = lake.raw(stream)
        con.execute(f"create or replace view lake.raw.{table.root.name} as {table.rows_of(files)}")
    members = ", ".join(f'"{name}": "{type_}"' for name, type_ in SOURCE_COLUMNS)
    con.execute(
        f"create or replace view lake.raw.load_sources as select {_names(LOAD_KEY)},"
        f" unnest(from_json({SOURCES_SQL}, '[{{{members}}}]'), recursive := true) from lake.raw.loads"
    )
    types = ", ".join(f"({quoted(system)}, {quoted(name)})" for system, name in event_types())
    con.execute(f"create or replace view lake.raw.event_types as from (values {types}) as _(system, event_type)")
    contracts = ", ".join(f"({quoted(c.system)}, {quoted(c.sha256)})" for c in load_contracts().values())
    con.execute(f"create or replace view lake.raw.contracts as from (values {contracts}) as _(system, sha256)")
    quarantine = lake.quarantine.rows_of(lake.quarantine.files())
    con.execute(
        f"create or replace view lake.raw.quarantine as select {_names(QUARANTINE_COLUMNS)} from ({quarantine})"
        " semi join lake.main.active_load using (load_id)"
    )
    attach_models(con, lake)


def attach_ledger(
    con: duckdb.DuckDBPyConnection, lake: Lake, active: Sequence[tuple[Stream, list[str]]] | None = None
) -> None:
    """The part of `attach_lake` that shows `loads` and `failed_loads`; the active files are looked up, or given."""
    con.execute("attach if not exists ':memory:' as lake")
    con.execute("create schema if not exists lake.raw")
    load_ids = [load_of(path) for _, files in active or lake.active_files() for path in files]
    con.execute("create or replace table lake.main.active_load as select unnest(?::varchar[]) as load_id", [load_ids])
    ledger = lake.ledger.rows_of(lake.ledger.files())
    con.execute(
        f"create or replace view lake.raw.loads as select {_names(LOAD_COLUMNS)} from ({ledger})"
        " semi join lake.main.active_load using (load_id) where status = 'loaded'"
    )
    con.execute(
        f"create or replace view lake.raw.failed_loads as select {_names(FAILED_COLUMNS)}"
        f" from ({ledger}) where status = 'failed'"
    )


def attach_models(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """The part of `attach_lake` that shows the models of topic mastery."""
    con.execute("attach if not exists ':memory:' as lake")
    con.execute("create schema if not exists lake.raw")
    for name, (saved, files, columns) in saved_tables(lake).items():
        rows = saved.rows_of(files)
        con.execute(f"create or replace view lake.raw.{name} as select {_names(columns)} from ({rows})")
    for name, query in mastery_views("lake.raw").items():
        con.execute(f"create or replace view lake.raw.{name} as {query}")


def saved_tables(lake: Lake) -> dict[str, tuple[Table, list[str], Columns]]:
    """What is saved of models, by the name that it is shown under: the table, the files that count, the columns."""
    saves = lake.saves.files()
    saved = {load_of(path) for path in saves}

    def of_saves(table: Table) -> list[str]:
        return [path for path in table.files() if load_of(path) in saved]

    return {
        "mastery_models": (lake.saves, saves, SAVE_COLUMNS),
        "mastery_coefficients": (lake.coefficients, of_saves(lake.coefficients), COEFFICIENT_COLUMNS),
        "mastery_difficulties": (lake.difficulties, of_saves(lake.difficulties), DIFFICULTY_COLUMNS),
        "mastery_figures": (lake.figures, of_saves(lake.figures), FIGURE_COLUMNS),
    }


def mastery_views(schema: str) -> dict[str, str]:
    """What follows from what is saved, in the SQL that both engines know: the newest promotion, the newest figures."""
    champion = f"select model_version from {schema}.mastery_models where is_promoted order by saved_as desc limit 1"
    columns = [name for name, _ in FIGURE_COLUMNS[4:]]
    return {
        "mastery_champion": champion,
        "mastery_evaluation": f"""
            select figures.model_version, figures.split, figures.method,
                champion.model_version is not null as is_champion,
                {", ".join(f"figures.{name}" for name in columns)}, models.fitted_on, models.fitted_attempts
            from {schema}.mastery_figures as figures
            inner join (
                select model_version, split, method, max(saved_as) as saved_as
                from {schema}.mastery_figures
                group by model_version, split, method
            ) as newest
                on figures.model_version = newest.model_version
                and figures.split = newest.split
                and figures.method = newest.method
                and figures.saved_as = newest.saved_as
            inner join (
                select distinct model_version, fitted_on, fitted_attempts from {schema}.mastery_models
            ) as models
                on figures.model_version = models.model_version
            left join ({champion}) as champion
                on figures.model_version = champion.model_version""",
    }


def load_of(path: str) -> str:
    """The load that wrote a file of a raw table or of the quarantine, or the save that wrote one of a model."""
    return Path(path).name.partition(".")[0]


def load_date(path: str) -> date:
    """The extract date of a file of a raw table."""
    return date.fromisoformat(Path(path).parent.name.removeprefix("extract_date="))


def find_stream(system: str, stream: str) -> Stream:
    """A stream by its names."""
    return load_contracts()[system].stream(stream)


def all_streams() -> list[Stream]:
    """The streams of every contract."""
    return [stream for contract in load_contracts().values() for stream in contract.streams]


def event_types() -> list[tuple[str, str]]:
    """The event types of every system, by system and name."""
    named = {(stream.system, event_type.name) for stream in all_streams() for event_type in stream.event_types}
    return sorted(named)


def _names(columns: Columns) -> str:
    return ", ".join(identifier(name) for name, _ in columns)


def _paths(delta: DeltaTable) -> list[str]:
    return [*_sizes(delta)]


def _sizes(delta: DeltaTable) -> dict[str, int]:
    actions = pa.table(delta.get_add_actions())
    return dict(sorted(zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)))


def _is_whole(copy: Path, size: int | None) -> bool:
    """Whether there is a copy, and it has the size that is known of the file."""
    try:
        return copy.stat().st_size == size or size is None
    except FileNotFoundError:
        return False


def _files_below(root: Location) -> Iterator[Location]:
    """The files of rows in a table's folder."""
    return (path for path in root.rglob("*.parquet") if not _relative(path, root).startswith("_delta_log/"))


def _relative(path: Location, root: Location) -> str:
    return path.relative_to(root).as_posix()  # type: ignore[arg-type]


def _may_be_committed(path: Location) -> bool:
    """Whether an object is so new that another home may be loading it. On the disk, the writer lock says that none is.

    By the clock of the store, which is not so wrong that it would matter.
    """
    if not isinstance(path, BucketPath) or not isinstance(path.listed, ObjectStat):
        return False
    return path.listed.st_mtime_ns > time.time_ns() - _LONGEST_LOAD.total_seconds() * 1e9


def _sweep(root: Location, paths: Iterable[Location], keep: set[str]) -> None:
    """Delete what is not to be kept; the names to keep are relative to the root."""
    for path in paths:
        if _relative(path, root) not in keep:
            path.unlink(missing_ok=True)
