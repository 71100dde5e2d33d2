"""Event rows as columns, written down kind by kind and then put in the order of time."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ingestion.demo.ids import Column, Ints

Table = dict[str, Column]
SECOND = 1_000_000


class Script:
    """What happens in each session, written down in any order.

    A row has a place in its session (`session`, `place`) and a `gap`, the seconds since the row before it. Every other
    column has a default, which also gives its type.
    """

    def __init__(self, defaults: Mapping[str, np.generic]) -> None:
        """An empty script whose rows have these columns."""
        self._defaults = {**defaults, "session": np.int64(-1), "place": np.int64(0), "gap": np.float64(0)}
        self._parts: list[dict[str, npt.ArrayLike]] = []

    def add(self, session: Ints, place: Ints | int, gap: Column | float, **columns: npt.ArrayLike) -> None:
        """Rows of one kind: one for each entry of `session`."""
        self._parts.append({"session": session, "place": place, "gap": gap, **columns})

    def played(self, started_at: Ints) -> Table:
        """The rows in the order of their sessions and places, with the time `at` (microseconds, whole milliseconds)."""
        sizes = [np.size(np.asarray(part["session"])) for part in self._parts]
        table: Table = {}
        for name, default in self._defaults.items():
            column = np.empty(sum(sizes), dtype=default.dtype)
            start = 0
            for part, size in zip(self._parts, sizes, strict=True):
                column[start : start + size] = part.get(name, default)
                start += size
            table[name] = column
        order = np.argsort(table["session"].astype(np.int64) * 2**20 + table["place"].astype(np.int64), kind="stable")
        table = take(table, order)
        gap = np.round(table.pop("gap").astype(np.float64) * 1000).astype(np.int64) * 1000
        elapsed = np.cumsum(gap)
        session = table["session"].astype(np.int64)
        first = np.concatenate([[True], session[1:] != session[:-1]]) if len(session) else np.zeros(0, np.bool_)
        before = np.zeros(len(started_at), dtype=np.int64)
        before[session[first]] = elapsed[first] - gap[first]
        table["at"] = started_at[session] + elapsed - before[session]
        return table


def take(table: Table, rows: Column) -> Table:
    """The rows at these positions, or those that a mask marks."""
    return {name: column[rows] for name, column in table.items()}


def ranked(group: Ints) -> Ints:
    """The number of each entry among the earlier entries of its group, from 0."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]]) if len(group) else np.zeros(0, np.bool_)
    starts = np.flatnonzero(first)
    rank = np.empty(len(group), dtype=np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(starts, np.diff(np.append(starts, len(group))))
    return rank


def expanded(counts: Ints) -> tuple[Ints, Ints]:
    """For counts [2, 0, 1]: the owners [0, 0, 2] and the numbers within each [0, 1, 0]."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
