"""The textbook: chapters that learners visit, AI blocks that they use, errors that they meet."""

from __future__ import annotations

import numpy as np

from ingestion.demo.coming import come
from ingestion.demo.ids import random
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import Script, Table, expanded, ranked, take
from ingestion.demo.world import Learners

EVENT_TYPES = ("ai_block_used", "chapter_visit", "error_event")
KIND = {name: np.int8(number) for number, name in enumerate(EVENT_TYPES)}

READINGS_A_DAY = 0.7
CHAPTERS = 24
SECTIONS = 5  # of a chapter
READINGS_PER_CHAPTER = 2
BLOCK_SHARES = (0.45, 0.25, 0.2, 0.1)
MOST_USES = 8  # in a chapter, at one reading
CHAPTER_PLACES = 16
ERROR_SHARE = 0.06
NOWHERE_SHARE = 0.15  # AI blocks without a section, errors without a chapter
IDLESS_SHARE = 0.4  # events without an event_id

DEFAULTS: dict[str, np.generic] = {
    "kind": np.int8(0),
    "chapter": np.int16(-1),
    "section": np.int16(-1),
    "block": np.int8(-1),
}


def simulate(seed: int, learners: Learners, start_at: int, days: int) -> Table:
    """What happens in the textbook, in no order of time.

    Columns: those of DEFAULTS and session (the reading), at, learner, has_id, roll. No two events without an id are of
    the same type and time.
    """
    rng = random(seed, "textbook")
    learner, started_at = come(rng, learners, READINGS_A_DAY, start_at, days)
    reading, number = expanded(rng.integers(1, 4, len(learner)))
    chapter = (ranked(learner)[reading] // READINGS_PER_CHAPTER + number) % CHAPTERS
    place = (number + 1) * CHAPTER_PLACES

    script = Script(DEFAULTS)
    script.add(reading, place, 2 + rng.exponential(100, len(reading)), kind=KIND["chapter_visit"], chapter=chapter)
    of, use = expanded(np.minimum(rng.poisson(1.5, len(reading)), MOST_USES))
    section = np.where(rng.random(len(of)) < NOWHERE_SHARE, -1, rng.integers(0, SECTIONS, len(of)))
    script.add(
        reading[of], place[of] + 1 + use, 15 + rng.exponential(90, len(of)),
        kind=KIND["ai_block_used"], chapter=chapter[of], section=section,
        block=rng.choice(len(BLOCK_SHARES), len(of), p=BLOCK_SHARES),
    )  # fmt: skip
    failed = np.flatnonzero(rng.random(len(reading)) < ERROR_SHARE)
    is_nowhere = rng.random(len(failed)) < NOWHERE_SHARE
    script.add(
        reading[failed], place[failed] + 1 + MOST_USES, 1 + rng.exponential(20, len(failed)),
        kind=KIND["error_event"], chapter=np.where(is_nowhere, -1, chapter[failed]),
        section=np.where(is_nowhere, -1, rng.integers(0, SECTIONS, len(failed))),
    )  # fmt: skip

    events = script.played(started_at)
    events = take(events, events["at"] < start_at + days * MICROSECONDS_PER_DAY)
    size = len(events["at"])
    events["learner"] = learner[events["session"]]
    events["roll"] = rng.integers(0, 2**31, size, dtype=np.int64)
    moment = events["at"] * len(EVENT_TYPES) + events["kind"]
    _, which, times = np.unique(moment, return_inverse=True, return_counts=True)
    events["has_id"] = (rng.random(size) >= IDLESS_SHARE) | (times[which] > 1)
    return events
