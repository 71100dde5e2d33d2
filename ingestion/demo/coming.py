"""When learners come to a product that is no lesson: to a home screen, a draft, a textbook."""

from __future__ import annotations

import numpy as np

from ingestion.demo.ids import Ints
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.world import Learners


def come(rng: np.random.Generator, learners: Learners, a_day: float, start_at: int, days: int) -> tuple[Ints, Ints]:
    """Who comes, and when (microseconds since 1970, whole milliseconds), by learner and time.

    Each comes about `a_day` times on a day of theirs, mostly around the hour that they like.
    """
    day = np.arange(days)
    is_there = (day >= learners.joined_day[:, None]) & (day < learners.left_day[:, None])
    owner = np.repeat(np.arange(is_there.size), rng.poisson(a_day * is_there).reshape(-1))
    learner, day_of = owner // days, owner % days
    hour = learners.habit_hour[learner] + rng.normal(0, 2.5, len(owner)) - learners.utc_offset[learner]
    at = start_at + day_of * MICROSECONDS_PER_DAY + np.round(hour * 3_600_000).astype(np.int64) * 1000
    order = np.lexsort((at, learner))
    order = order[(at[order] >= start_at) & (at[order] < start_at + days * MICROSECONDS_PER_DAY)]
    return learner[order], at[order]
