"""Streams on their way: which rows come on which date, in which file, and what Daybook has to make of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from ingestion.demo.cells import Cell, columns, csv, csv_header, ndjson
from ingestion.demo.delivery import FIRST, Delivery
from ingestion.demo.faults import FAULT_SHARE, Broken, Doc, Fault
from ingestion.demo.files import Lines, Written, write_parquet, write_text
from ingestion.demo.ids import Column, Ints, Mask

ROWS_PER_FILE = 250_000


@dataclass
class Account:
    """Where the rows of one extract have to end up, once every extract is loaded."""

    rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    conflicts: int = 0
    late: int = 0  # accepted, and from an earlier day
    held: int = 0  # accepted, but only when reference rows came on a later date

    @property
    def accepted(self) -> int:
        """What is left."""
        return self.rows - self.rejected.total() - self.duplicates - self.conflicts

    def as_json(self) -> dict[str, Any]:
        """All figures by name."""
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "rejected": dict(sorted(self.rejected.items())),
            "duplicates": self.duplicates,
            "conflicts": self.conflicts,
            "late": self.late,
            "held": self.held,
        }


@dataclass
class Feed:
    """One stream on its way."""

    system: str
    stream: str
    formats: Sequence[str]  # the suffixes of its files, day after day
    cells: Sequence[Cell]
    fields: Callable[[Ints, Ints], pa.Table]  # rows, each as which copy, as the columns that the cells' SQL uses
    delivery: Delivery
    is_late: Mask  # of each delivered row, like the next three
    is_held: Mask
    is_conflict: Mask
    starts: Mask  # whether it begins a line
    line: str | None = None  # SQL for a row's share of a line, where a line is not made of the cells
    broken: list[Broken] = field(default_factory=list)

    @property
    def is_copy(self) -> Mask:
        """Which of the delivered rows came before."""
        is_copy: Mask = self.delivery.copy != FIRST
        return is_copy

    def format(self, day: int) -> str:
        """The suffix of the files of a day."""
        return self.formats[day % len(self.formats)]

    def account(self, day: int) -> Account:
        """The truth of one extract."""
        rows = slice(*self.delivery.bounds(day))
        is_copy, is_conflict = self.delivery.copy[rows] != FIRST, self.is_conflict[rows]
        broken = [line for line in self.broken if line.day == day]
        account = Account(
            rows=rows.stop - rows.start + sum(line.rows for line in broken),
            duplicates=int((is_copy & ~is_conflict).sum()) + sum(line.duplicates for line in broken),
            conflicts=int(is_conflict.sum()),
            late=int((self.is_late[rows] & ~is_copy).sum()),
            held=int((self.is_held[rows] & ~is_copy).sum()),
        )
        for line in broken:
            if line.reason is not None:
                account.rejected[line.reason] += line.rejected
        return account

    def write(self, con: duckdb.DuckDBPyConnection, folder: Path, day: int) -> list[Written]:
        """Write the files of one extract."""
        suffix = self.format(day)
        start, end = self.delivery.bounds(day)
        broken = [line for line in self.broken if line.day == day]
        cuts = self._cuts(start, end)
        written: list[Written] = []
        # A line of JSON has no place in the other formats: there it comes in a file of its own.
        apart = [] if suffix.startswith("ndjson") or self.is_reference else broken
        for part, (first, last) in enumerate(pairwise(cuts)):
            name = f"{self.stream}.{suffix}" if len(cuts) == 2 else f"{self.stream}-{part + 1:02d}.{suffix}"
            within = broken[part :: len(cuts) - 1] if not apart else []
            source = self.fields(self.delivery.row[first:last], self.delivery.copy[first:last])
            if suffix == "parquet":
                written.append(write_parquet(folder, name, _query(con, source, columns(self.cells))))
                continue
            sql = csv(self.cells) if suffix.startswith("csv") else self.line or ndjson(self.cells)
            lines = Lines(_query(con, source, f"{sql} as line").column(0))
            text = lines.with_others([line.text for line in within], np.flatnonzero(self.starts[first:last]))
            header = csv_header(self.cells).encode() if suffix.startswith("csv") else b""
            rows = last - first + sum(line.rows for line in within)
            written.append(write_text(folder, name, header + text, rows))
        if apart:
            text = "".join(line.text for line in apart).encode()
            rows = sum(line.rows for line in apart)
            written.append(write_text(folder, f"{self.stream}-resent.ndjson", text, rows))
        return written

    @property
    def is_reference(self) -> bool:
        """Whether the stream says what other streams refer to."""
        return self.stream in ("test_sessions", "session_questions")

    def _cuts(self, start: int, end: int) -> list[int]:
        """Where the files of a day begin and end: at the beginning of a line."""
        parts = max(1, -(-(end - start) // ROWS_PER_FILE))
        begins = np.append(start + np.flatnonzero(self.starts[start:end]), end)
        cuts = [start + (end - start) * part // parts for part in range(parts + 1)]
        return [int(begins[np.searchsorted(begins, cut)]) for cut in cuts]

    def documents(self, con: duckdb.DuckDBPyConnection, row: Ints) -> list[Doc]:
        """Rows, as they first came, as JSON documents."""
        source = self.fields(row, np.full(len(row), FIRST))
        pieces = _query(con, source, f"{self.line or ndjson(self.cells)} as line").column(0).to_pylist()
        return [json.loads(line) for line in "".join(pieces).split("\n")[:-1]]


def choose(
    rng: np.random.Generator,
    faults: Sequence[Fault],
    eligible: Mask,
    unit: Column,
    kind: Column | None = None,
    event_types: Sequence[str] = (),
) -> list[tuple[Fault, int]]:
    """The positions of good rows to make broken ones of: each fault as often as any other, no unit twice.

    Args:
        rng: random numbers.
        faults: what can be wrong.
        eligible: the rows to choose from.
        unit: what rows belong to, of which a single one is chosen.
        kind: of each row, the number of its event type.
        event_types: by number.
    """
    candidates = np.flatnonzero(eligible)
    number = max(len(faults), round(FAULT_SHARE * len(candidates)))
    # Enough to find rows of rare types in, without shuffling millions.
    pool = rng.choice(candidates, min(len(candidates), 5000 + 40 * number), replace=False)
    names = [""] * len(pool) if kind is None else [event_types[code] for code in kind[pool]]
    units = unit[pool].tolist()
    used: set[int] = set()
    chosen: list[tuple[Fault, int]] = []
    for i, fault in enumerate(faults):
        wanted = number // len(faults) + (i < number % len(faults))
        for position, name, owner in zip(pool.tolist(), names, units, strict=True):
            if not wanted:
                break
            if owner not in used and (not fault.needs or name in fault.needs):
                used.add(owner)
                chosen.append((fault, position))
                wanted -= 1
    return chosen


def _query(con: duckdb.DuckDBPyConnection, source: pa.Table, select: str) -> pa.Table:
    con.register("source", source)
    try:
        return con.execute(f"select {select} from source").to_arrow_table()
    finally:
        con.unregister("source")
