"""Shared drafts: who creates them, looks at them, writes in them, passes the ring on and publishes."""

from __future__ import annotations

import numpy as np

from ingestion.demo.coming import come
from ingestion.demo.ids import Floats, Ints, random
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import Script, Table, expanded, take
from ingestion.demo.world import Learners

EVENT_TYPES = ("DraftCreated", "DraftViewed", "DraftShared", "SegmentAdded", "RINGPassed", "DraftPublished")
KIND = {name: np.int8(number) for number, name in enumerate(EVENT_TYPES)}

DRAFTS_A_DAY = 0.12
MOST_MEMBERS = 5
ROUND_PLACES = 16
MOST_VIEWS = 8  # in a round
SECOND_SEGMENT_SHARE = 0.4
PASS_SHARE = 0.9  # else the holder forgot to, and the next one writes all the same
PUBLISH_SHARE = 0.55
KEYLESS_SHARE = 0.45  # events without an idempotency_key

DEFAULTS: dict[str, np.generic] = {
    "kind": np.int8(0),
    "user": np.int32(-1),
    "other": np.int32(-1),  # who gets the ring
}


def simulate(seed: int, learners: Learners, start_at: int, days: int) -> Table:
    """What happens to the drafts, in no order of time.

    Columns: those of DEFAULTS and session (the draft), at, has_key, roll. No two events of a draft share a time.
    """
    rng = random(seed, "collaboration")
    creator, created_at = come(rng, learners, DRAFTS_A_DAY, start_at, days)
    people, drafts = len(learners.ids), len(creator)
    size = rng.integers(2, MOST_MEMBERS + 1, drafts)
    stride = rng.integers(1, max(2, people), drafts)

    def member(draft: Ints, number: Ints) -> Ints:
        """The members take turns; the first one is the creator."""
        who: Ints = (creator[draft] + number % size[draft] * stride[draft]) % people
        return who

    def gap(least: float, mean: float, rows: Ints) -> Floats:
        spread: Floats = least + rng.exponential(mean, len(rows))
        return spread

    script = Script(DEFAULTS)
    script.add(np.arange(drafts), 0, 0, kind=KIND["DraftCreated"], user=creator)
    draft, number = expanded(size - 1)
    script.add(draft, 1 + number, gap(5, 60, draft), kind=KIND["DraftShared"], user=member(draft, number + 1))

    rounds = 1 + rng.poisson(4, drafts)
    draft, number = expanded(rounds)
    place, holder = (number + 1) * ROUND_PLACES, member(draft, number)
    script.add(draft, place, gap(300, 18_000, draft), kind=KIND["SegmentAdded"], user=holder)
    more = np.flatnonzero(rng.random(len(draft)) < SECOND_SEGMENT_SHARE)
    script.add(draft[more], place[more] + 1, gap(120, 600, more), kind=KIND["SegmentAdded"], user=holder[more])
    of, view = expanded(np.minimum(rng.poisson(1.5, len(draft)), MOST_VIEWS))
    viewer = member(draft[of], rng.integers(0, MOST_MEMBERS, len(of)))
    script.add(draft[of], place[of] + 2 + view, gap(20, 3_000, of), kind=KIND["DraftViewed"], user=viewer)
    passed = np.flatnonzero(rng.random(len(draft)) < PASS_SHARE)
    script.add(
        draft[passed], place[passed] + 2 + MOST_VIEWS, gap(30, 2_000, passed),
        kind=KIND["RINGPassed"], user=holder[passed], other=member(draft[passed], number[passed] + 1),
    )  # fmt: skip
    done = np.flatnonzero(rng.random(drafts) < PUBLISH_SHARE)
    last = (rounds[done] + 1) * ROUND_PLACES
    script.add(done, last, gap(60, 7_000, done), kind=KIND["DraftPublished"], user=creator[done])

    events = script.played(created_at)
    events = take(events, events["at"] < start_at + days * MICROSECONDS_PER_DAY)
    events["roll"] = rng.integers(0, 2**31, len(events["at"]), dtype=np.int64)
    events["has_key"] = rng.random(len(events["at"])) >= KEYLESS_SHARE
    return events
