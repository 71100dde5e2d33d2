"""An analyst who never stops: reads the published file over and over while nights write, die and are run again."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import duckdb

from ingestion.home import Home

# Whatever is published holds the same marts; what each says of itself is compared with what it holds.
_CATALOG = "select mart, rows, content_hash from marts.mart_catalog"
_ABOUT_LOADING = "event_ledger"  # its hash has the times of loading in it

State = frozenset[tuple[str, int, str | None]]


@dataclass
class Reader:
    """Reads in a thread, from `__enter__` to `__exit__`."""

    home: Home
    opened: int = 0
    states: set[State] = field(default_factory=set)  # each different content that was seen
    faults: list[str] = field(default_factory=list)
    pause: float = 1.0  # seconds between two looks: the nights shall have the machine, too

    def __enter__(self) -> Reader:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_on)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _read_on(self) -> None:
        while not self._stop.is_set():
            if self.home.published.exists():
                try:
                    self.states.add(self.look())
                except (duckdb.Error, AssertionError) as error:
                    self.faults.append(f"{type(error).__name__}: {error}")
            time.sleep(self.pause)

    def look(self) -> State:
        """Open the published file and read every mart; fails where the marts are not what the catalog says."""
        with duckdb.connect(str(self.home.published), read_only=True) as con:
            said = {mart: (rows, content) for mart, rows, content in con.execute(_CATALOG).fetchall()}
            there = {
                name
                for (name,) in con.execute(
                    "select table_name from information_schema.tables where table_schema = 'marts'"
                ).fetchall()
            }
            assert there == {*said, "mart_catalog"}, f"tables {there ^ said.keys()}"
            for mart, (rows, _) in said.items():
                [(counted,)] = con.execute(f"select count(*) from marts.{mart}").fetchall()
                assert counted == rows, f"{mart} has {counted} rows; the catalog of the same file says {rows}"
        self.opened += 1
        return frozenset((mart, rows, content) for mart, (rows, content) in said.items() if mart != _ABOUT_LOADING)
