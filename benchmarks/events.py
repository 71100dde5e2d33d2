"""The extracts that are measured: the demo's study app at any size, with late events and copies, and nothing broken.

What belongs here: how many learners there are, when, and in which files. What does not: what they do
(`ingestion.demo`).
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import numpy as np

from ingestion.demo import study, study_fields
from ingestion.demo.delivery import CONFLICT, MOST_DAYS_LATE, deliver, extract_day
from ingestion.demo.feeds import Feed
from ingestion.demo.ids import random
from ingestion.demo.snapshots import snapshots, write_snapshot
from ingestion.demo.streams import Period
from ingestion.demo.world import Curriculum, build_curriculum, build_learners

START = dt.date(2026, 1, 5)

# Rows delivered; measured: 1,000 learners, 40 days.
EVENTS_OF_A_LEARNER_DAY = 34.3
# Every weekday is like another: nights are compared that are days apart.
_WEEKDAY_HABIT = (1.0,) * 7

# So many events are simulated at a time: memory stays bounded at any size.
_COHORT_EVENTS = 2_500_000

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Written:
    """What lies in a landing folder."""

    events_of: Mapping[dt.date, int]  # of each extract date
    bytes: int

    @property
    def events(self) -> int:
        """The events of all dates."""
        return sum(self.events_of.values())


def write(
    landing: Path, events_a_day: int, days: int, suffix: str, seed: int = 1, progress: Progress = lambda told: None
) -> Written:
    """Write study extracts of about so many events a day, from `START` on.

    Args:
        landing: the folder to make; what is there is removed.
        events_a_day: about how many rows an extract date has: every learner is there from the first to the last.
        days: extract dates.
        suffix: of the files, such as `ndjson` or `parquet`.
        seed: the same one gives the same files.
        progress: told what has been written.
    """
    shutil.rmtree(landing, ignore_errors=True)
    period = Period(seed, START, days)
    curriculum = build_curriculum(seed)
    learners = max(1, round(events_a_day / EVENTS_OF_A_LEARNER_DAY))
    in_a_cohort = max(1, round(_COHORT_EVENTS / (days * EVENTS_OF_A_LEARNER_DAY)))
    cohorts = -(-learners // in_a_cohort)
    events_of = {period.date(day): 0 for day in range(days)}
    size = 0
    for cohort in range(cohorts):
        count = learners * (cohort + 1) // cohorts - learners * cohort // cohorts
        for day, file_rows, file_bytes in _write_cohort(landing, period, curriculum, cohort, count, suffix):
            events_of[day] += file_rows
            size += file_bytes
        rows = sum(events_of.values())
        progress(f"{landing.parent.name}: {cohort + 1} of {cohorts} cohorts, {rows:,} events, {size / 1e9:.1f} GB")
    for snapshot in snapshots(curriculum, 0):
        write_snapshot(landing / "study" / str(START), 0, snapshot)
    return Written(events_of, size)


def _write_cohort(
    landing: Path, period: Period, curriculum: Curriculum, cohort: int, learners: int, suffix: str
) -> Iterator[tuple[dt.date, int, int]]:
    """Write the files of some of the learners; gives extract date, rows and bytes of each."""
    # They study on after the last date, so that what comes late comes late there, too.
    own = Period(period.seed * 10_000 + cohort, period.start, period.days + MOST_DAYS_LATE)
    people = build_learners(own.seed, learners, own.days, curriculum)
    everyone = np.zeros(learners, np.int64)  # is there from the first day to the last
    people = replace(people, joined_day=everyone, left_day=everyone + own.days)
    events = study.simulate(own.seed, curriculum, people, own.start_at, own.days, _WEEKDAY_HABIT).events
    rng = random(own.seed, "delivery")
    at = events["at"].astype(np.int64)
    day = extract_day(rng, at, events["session"].astype(np.int64), own.start_at, own.days)
    delivery = deliver(rng, at, day, own.days, np.zeros(len(at), dtype=np.bool_))
    nothing = np.zeros(len(delivery.row), dtype=np.bool_)
    feed = Feed(
        "study",
        f"events-{cohort + 1:03d}",
        (suffix,),
        study_fields.CELLS,
        study_fields.StudyFields(own.seed, curriculum, people, events).rows,
        delivery,
        is_late=nothing,
        is_held=nothing,
        is_conflict=delivery.copy == CONFLICT,
        starts=~nothing,
    )
    with duckdb.connect(config={"threads": 1}) as con:
        for number in range(period.days):
            folder = landing / "study" / str(period.date(number))
            folder.mkdir(parents=True, exist_ok=True)
            for file in feed.write(con, folder, number):
                yield period.date(number), file.rows, file.bytes
