"""The home screen: what it recommends, what learners tap, begin, finish and leave."""

from __future__ import annotations

import numpy as np

from ingestion.demo.coming import come
from ingestion.demo.ids import Ints, Mask, random
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import Script, Table, expanded, take
from ingestion.demo.world import Learners

EVENT_TYPES = ("impression", "tap", "start", "complete", "abandon")
KIND = {name: np.int8(number) for number, name in enumerate(EVENT_TYPES)}

VISITS_A_DAY = 0.75
RECOMMENDATIONS = 40
STRIDE = 7  # shares no factor with their number: no screen shows one twice
VISIT_PLACES = 8
TAP_SHARE, TAP_AGAIN_SHARE, START_SHARE = 0.22, 0.18, 0.7
COMPLETE_SHARE, ABANDON_SHARE = 0.6, 0.25  # the others just stop
WITHOUT_ORDER_EVERY = 40  # one event in so many has no event_order

# An earlier producer was at work in the first days: twelve forms of its keys, one for each recommendation in turn.
OLD_KEY_DAYS = 5
OLD_KEY_FORMS = 12

DEFAULTS: dict[str, np.generic] = {
    "kind": np.int8(0),
    "recommendation": np.int16(-1),
    "position": np.int16(-1),
}


def simulate(seed: int, learners: Learners, start_at: int, days: int) -> Table:
    """What happens on the home screens, in no order of time.

    Columns: those of DEFAULTS and session, at, learner, order (-1: none), form (of the old producer's key; -1: a key of
    the event's own), roll.
    """
    rng = random(seed, "recommendation")
    learner, started_at = come(rng, learners, VISITS_A_DAY, start_at, days)
    events = _play(rng, started_at)
    events = take(events, events["at"] < start_at + days * MICROSECONDS_PER_DAY)
    events["learner"] = learner[events["session"]]
    day = (events["at"] - start_at) // MICROSECONDS_PER_DAY
    events["form"] = np.where(day < OLD_KEY_DAYS, events["recommendation"] % OLD_KEY_FORMS, -1)
    events = take(events, ~_overwritten(events, day))
    size = len(events["at"])
    order = np.empty(size, dtype=np.int64)
    order[np.argsort(events["at"], kind="stable")] = np.arange(size)
    events["roll"] = rng.integers(0, 2**31, size, dtype=np.int64)
    events["order"] = np.where(events["roll"] % WITHOUT_ORDER_EVERY == 0, -1, order)
    return events


def _play(rng: np.random.Generator, started_at: Ints) -> Table:
    script = Script(DEFAULTS)
    visits = len(started_at)
    visit, position = expanded(rng.integers(3, 8, visits))
    shown = (rng.integers(0, RECOMMENDATIONS, visits)[visit] + position * STRIDE) % RECOMMENDATIONS

    def write(kind: str, rows: Ints, place: Ints, gap: float, mean: float) -> None:
        script.add(
            visit[rows], place, gap + rng.exponential(mean, len(rows)),
            kind=KIND[kind], recommendation=shown[rows], position=position[rows],
        )  # fmt: skip

    def some(share: float, among: Ints) -> Ints:
        return among[rng.random(len(among)) < share]

    every = np.arange(len(visit))
    write("impression", every, position, 0.1, 0.3)
    place = (position + 1) * VISIT_PLACES
    tapped = some(TAP_SHARE, every)
    write("tap", tapped, place[tapped], 2, 15)
    again = some(TAP_AGAIN_SHARE, tapped)
    write("tap", again, place[again] + 1, 0.5, 3)
    started = some(START_SHARE, tapped)
    write("start", started, place[started] + 2, 0.8, 2)
    end = rng.random(len(started))
    completed = started[end < COMPLETE_SHARE]
    write("complete", completed, place[completed] + 3, 60, 300)
    abandoned = started[(end >= COMPLETE_SHARE) & (end < COMPLETE_SHARE + ABANDON_SHARE)]
    write("abandon", abandoned, place[abandoned] + 3, 5, 90)
    return script.played(started_at)


def _overwritten(events: Table, day: Ints) -> Mask:
    """Which events no extract caught: those of the old producer that were repeated on the same day."""
    of = (events["learner"] * len(EVENT_TYPES) + events["kind"]) * RECOMMENDATIONS + events["recommendation"]
    old = np.flatnonzero(events["form"] >= 0)
    old = old[np.lexsort((events["at"][old], day[old], of[old]))]
    overwritten = np.zeros(len(of), dtype=np.bool_)
    overwritten[old[:-1]] = (of[old[1:]] == of[old[:-1]]) & (day[old[1:]] == day[old[:-1]])
    return overwritten
