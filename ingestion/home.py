"""Where one copy of the warehouse keeps its state: the folder DAYBOOK_HOME and the paths below it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

# A night begins with so much room on the disk, beside what a second copy of the marts takes: the smallest one needs it.
_ROOM = 64_000_000  # bytes

_CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Home:
    """The paths of one warehouse. Nothing is created by asking for a path."""

    root: Path

    @classmethod
    def from_env(cls) -> Home:
        """The folder that DAYBOOK_HOME names, by default `data/` in the checkout."""
        return cls(Path(os.environ.get("DAYBOOK_HOME") or _CHECKOUT / "data").expanduser().resolve())

    @property
    def landing(self) -> Path:
        """Where source systems put their extracts: `<system>/<YYYY-MM-DD>/<stream>*`; unless a bucket is named."""
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        """The Delta tables: raw streams, quarantine, ledger; unless a bucket is named."""
        return self.root / "lake"

    @property
    def lake_copies(self) -> Path:
        """Copies of the files of a lake that is in a bucket: engines read these. They can be fetched again."""
        return self.work / "lake"

    @property
    def manifests(self) -> Path:
        """What was read of the manifests of a landing zone that is in a bucket. They can be read again."""
        return self.work / "manifests.json"

    @property
    def recounts(self) -> Path:
        """Up to which date each stream of a database was counted again. Without it some dates never are."""
        return self.work / "recounts.json"

    @property
    def sources(self) -> Path:
        """What does not lie in folders of the home, and where it is read from; DAYBOOK_SOURCES names another file.

        By default there is none.
        """
        named = os.environ.get("DAYBOOK_SOURCES")
        return Path(named).expanduser().resolve() if named else self.root / "sources.yaml"

    @property
    def secret_key(self) -> Path:
        """The key of the free-text hashes. Outside the lake, so that a copy of the lake does not carry it."""
        return self.root / "secret.key"

    @property
    def work(self) -> Path:
        """Databases as the nightly run writes them: one writer, no readers."""
        return self.root / "work"

    @property
    def warehouse(self) -> Path:
        """Staging and intermediate models."""
        return self.work / "warehouse.duckdb"

    @property
    def marts(self) -> Path:
        """The marts as they are written and audited. Named like the published file: DuckDB names a catalog after it."""
        return self.work / "daybook.duckdb"

    @property
    def spark(self) -> Path:
        """What the Spark engine keeps: links to the lake's active files, its tables, the marts that it hands over."""
        return self.work / "spark"

    @property
    def published(self) -> Path:
        """What analysts open read-only, at any moment."""
        return self.root / "published" / "daybook.duckdb"

    @property
    def writer_lock(self) -> Path:
        """Held by whoever writes the lake or the warehouse."""
        return self.work / "writer.lock"

    def why_unwritable(self) -> str | None:
        """Why nothing can be written here: a permission that is missing, or a full disk; None where all is well."""
        there = [self.lake, self.work, self.published.parent, self.root / "dagster"]
        files = [*self.work.glob("*.duckdb"), *self.work.glob("*.wal")]
        above = next(path for path in (self.root, *self.root.parents) if path.exists())
        for path in (above, *(path for path in [*there, *files] if path.exists())):
            if not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else 0)):
                return f"{path}: this user has no permission to write there"
        needed = _ROOM + (self.marts.stat().st_size if self.marts.exists() else 0)
        free = shutil.disk_usage(above).free
        if free < needed:
            room = f"{free / 1e6:,.0f} MB are free, {needed / 1e6:,.0f} MB are needed"
            return f"{above}: the disk is full, or nearly: {room}"
        return None

    def drop_models(self) -> None:
        """Delete every model, of every engine; the next build makes them anew. Whoever calls holds the writer lock."""
        for database in (self.warehouse, self.marts):
            for path in (database, wal_of(database)):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.spark, ignore_errors=True)


def wal_of(database: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a database file."""
    return database.with_name(f"{database.name}.wal")
