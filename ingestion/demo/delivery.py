"""When what happened reaches the extracts: late, twice, or a second time with another content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.demo.ids import Column, Ints, Mask
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import SECOND

FIRST, DUPLICATE, CONFLICT = 0, 1, 2

LATE_SESSION_SHARE = 0.012  # the device was offline
LATE_ROW_SHARE = 0.006
MOST_DAYS_LATE = 9
DUPLICATE_SHARE = 0.01
SAME_DAY_SHARE = 0.5  # of the duplicates; the others come up to MOST_DAYS_AGAIN later
MOST_DAYS_AGAIN = 5
CONFLICT_SHARE = 0.0005


@dataclass(frozen=True)
class Delivery:
    """Which row comes on which day, as which copy; in the order of days, and within a day of arrival."""

    row: Ints
    day: Ints  # 0 is the first extract date
    copy: Ints  # FIRST, DUPLICATE or CONFLICT

    def bounds(self, day: int) -> tuple[int, int]:
        """Where the rows of a day begin and end."""
        start, end = np.searchsorted(self.day, [day, day + 1])
        return int(start), int(end)


def extract_day(rng: np.random.Generator, at: Ints, session: Ints, start_at: int, days: int) -> Ints:
    """The day of the extract that a row first comes in: that on which it happened, or up to MOST_DAYS_LATE later.

    Everything comes by the last day, so that what has been delivered is what has happened.
    """
    size = len(at)
    late_session = rng.random(int(session.max(initial=0)) + 1) < LATE_SESSION_SHARE
    session_delay = rng.integers(1, MOST_DAYS_LATE + 1, len(late_session))
    is_late = rng.random(size) < LATE_ROW_SHARE
    delay = np.where(late_session[session], session_delay[session], is_late * rng.integers(1, MOST_DAYS_LATE + 1, size))
    return np.minimum((at - start_at) // MICROSECONDS_PER_DAY + delay, days - 1)


def deliver(rng: np.random.Generator, at: Ints, day: Ints, days: int, may_conflict: Mask) -> Delivery:
    """Deliver each row on its day, and some again: always after the row that they are a copy of.

    Args:
        rng: the delivery's own random numbers.
        at: when the server saw the row.
        day: on which it first comes.
        days: the number of extract dates.
        may_conflict: the rows whose content may differ in a copy.
    """
    size = len(at)
    changed = _some(rng, np.flatnonzero(may_conflict), CONFLICT_SHARE * size)
    again = _some(rng, np.setdiff1d(np.arange(size), changed, assume_unique=True), DUPLICATE_SHARE * size)
    copied = np.concatenate([again, changed])
    days_later = np.where(
        rng.random(len(copied)) < SAME_DAY_SHARE, 0, rng.integers(1, MOST_DAYS_AGAIN + 1, len(copied))
    )
    row = np.concatenate([np.arange(size), copied])
    day = np.concatenate([day, np.minimum(day[copied] + days_later, days - 1)])
    arrival = np.concatenate([at, at[copied] + rng.integers(1, 90, len(copied)) * SECOND])
    copy = np.concatenate([np.full(size, FIRST), np.full(len(again), DUPLICATE), np.full(len(changed), CONFLICT)])
    order = np.lexsort((arrival, day))
    return Delivery(row[order], day[order], copy[order])


def _some(rng: np.random.Generator, candidates: Column, number: float) -> Ints:
    """About so many of the candidates, at least one where there are any, in their order."""
    chosen: Ints = np.sort(rng.choice(candidates, min(len(candidates), max(1, round(number))), replace=False))
    return chosen.astype(np.int64)
