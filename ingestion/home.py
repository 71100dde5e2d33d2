"""Where one copy of the warehouse keeps its state: the folder DAYBOOK_HOME and the paths below it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

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
        """Where the source systems put their extracts: `<system>/<YYYY-MM-DD>/<stream>*`."""
        return self.root / "landing"

    @property
    def lake(self) -> Path:
        """The Delta tables: raw streams, quarantine, ledger."""
        return self.root / "lake"

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

    def drop_models(self) -> None:
        """Delete every model, of every engine; the next build makes them anew. Whoever calls holds the writer lock."""
        for database in (self.warehouse, self.marts):
            for path in (database, wal_of(database)):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.spark, ignore_errors=True)


def wal_of(database: Path) -> Path:
    """The write-ahead log that DuckDB keeps beside a database file."""
    return database.with_name(f"{database.name}.wal")
