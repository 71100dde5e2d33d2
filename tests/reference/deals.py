"""The same events, dealt out over extract dates and files in random ways: late, in any order, some of them twice.

What belongs here: which file each line comes to lie in, and in which order the dates are loaded. What does not: the
events (`histories.py`) and what they come to (`marts`), which must be the same for every deal of a hand.

A hand has no id conflicts: there, the specification lets the extract date decide. Snapshots of reference data are left
out too, for the newest one wins as a whole.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tests.reference.histories import TIME_FIELDS, Files, History, Line, Name, limit, rows_of
from tests.reference.reading import EVENT_READERS, Load, Row, assessment_event, reference_row, timestamp
from tests.reference.spelling import DAY

# What describes the loading tells one deal from another, and should.
ABOUT_LOADING = frozenset({"event_ledger", "telemetry_quality_daily", "mart_catalog"})

SNAPSHOTS = ("topics", "topic_prerequisites", "questions")
SUFFIXES = ("", "-b", "-a", "-10", "-9", "-late")


@dataclass(frozen=True)
class Hand:
    """Lines of all systems, and the dates over which they may be dealt; the last one sets as-of."""

    lines: tuple[tuple[str, str, Line], ...]  # system, stream, line
    dates: tuple[date, ...]


@dataclass(frozen=True)
class Deal:
    """Files, and the dates in the order in which they are loaded; the same date may come twice."""

    files: Files
    nights: tuple[tuple[date, ...], ...]

    def rows(self) -> list[Row]:
        """The reference's input."""
        return [row for name, lines in self.files.items() for row in rows_of(name, lines)]

    def loads(self) -> list[Load]:
        """Every (system, stream, extract date) that has a file."""
        return sorted({Load(name.system, name.stream, name.extract_date) for name in self.files})


def hand(history: History, nights: int) -> Hand:
    """What a history says in so many nights, without second copies of an identity."""
    last = max(max(next(history).dates()) for _ in range(nights))
    dates = tuple(last - n * DAY for n in reversed(range(nights + 1)))
    seen: set[Hashable] = set()
    lines = []
    for system, stream, line in history.written():
        if stream in SNAPSHOTS:
            continue
        identities = {(system, identity) for identity in _identities(system, stream, line)}
        too_late = (_moment(system, stream, line) or datetime.min) > limit(last)
        if too_late or identities & seen or len(identities) < len(line.rejects):
            continue
        seen |= identities
        lines.append((system, stream, line))
    return Hand(tuple(lines), dates)


def deal(hand: Hand, rng: random.Random, repeats: float = 0.2) -> Deal:
    """One way to deal a hand; of the lines, the share `repeats` comes a second time somewhere else."""
    lines = [*hand.lines, *(line for line in hand.lines if rng.random() < repeats)]
    rng.shuffle(lines)
    dealt: dict[Name, list[Line]] = {}
    for system, stream, line in lines:
        moment = _moment(system, stream, line)
        fitting = [day for day in hand.dates if moment is None or moment <= limit(day)]
        # Some hands keep to a day or two, others spread over all.
        day = fitting[min(int(rng.expovariate(1.2)), len(fitting) - 1)] if rng.random() < 0.5 else rng.choice(fitting)
        dealt.setdefault(Name(system, day, f"{stream}{rng.choice(SUFFIXES)}.ndjson"), []).append(line)
    # Each system has said something on the last date, if only that there was nothing.
    for system in TIME_FIELDS:
        dealt.setdefault(Name(system, hand.dates[-1], "events.ndjson"), [])
    days = sorted({name.extract_date for name in dealt})
    rng.shuffle(days)
    days += rng.sample(days, rng.randint(0, min(2, len(days))))
    cuts = sorted(rng.randint(0, len(days)) for _ in range(rng.randint(0, 2)))
    nights = [tuple(days[a:b]) for a, b in zip([0, *cuts], [*cuts, len(days)], strict=True)]
    return Deal({name: tuple(lines) for name, lines in dealt.items()}, tuple(night for night in nights if night))


def _identities(system: str, stream: str, line: Line) -> Sequence[Hashable]:
    rows = list(rows_of(Name(system, date.min, f"{stream}.ndjson"), (line,)))
    if stream in ("test_sessions", "session_questions"):
        return [(stream, reference_row(row).identity) for row in rows]
    read = assessment_event if system == "assessment" else EVENT_READERS[system]
    return [read(row).identity for row in rows]


def _moment(system: str, stream: str, line: Line) -> datetime | None:
    """The latest time that an extract date must allow."""
    if stream in ("test_sessions", "session_questions"):
        return None
    return timestamp(line.document["received_at" if stream == "batches" else TIME_FIELDS[system]])
