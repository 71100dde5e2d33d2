"""The test system: tests, what clients send of them, what the server writes, and the reference rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.demo.ids import Floats, Ints, Mask, random
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import SECOND, Script, Table, expanded, ranked, take
from ingestion.demo.world import QUESTIONS_PER_TOPIC, Curriculum, Learners

EVENT_TYPES = (
    "SESSION_CREATED", "SESSION_SUBMITTED", "SESSION_EXPIRED", "REVIEW_OPENED",
    "QUESTION_VIEWED", "NAVIGATE_NEXT", "NAVIGATE_PREV", "NAVIGATE_JUMP",
    "ANSWER_SELECTED", "ANSWER_CHANGED", "MARK_FOR_REVIEW_TOGGLED", "PAUSE_BLUR",
)  # fmt: skip
KIND = {name: np.int8(number) for number, name in enumerate(EVENT_TYPES)}
SERVER_KINDS = 4  # the first ones

TESTS_A_DAY = 0.11
SUBMITTED_SHARE, EXPIRED_SHARE = 0.82, 0.08  # the others are left alone
TIME_LIMIT = 2 * 3600 * SECOND
OLD_CLIENT_SHARE = 0.25  # tests whose client sends each event by itself: stream `events`
LOST_SHARE = 0.004
VISIT_PLACES = 16
OPTIONS = 4

DEFAULTS: dict[str, np.generic] = {
    "kind": np.int8(0),
    "question": np.int16(-1),
    "position": np.int16(-1),
    "from_position": np.int16(-1),
    "to_position": np.int16(-1),
    "answer": np.int8(-1),
    "focus": np.int8(-1),
}


@dataclass(frozen=True)
class Assessment:
    """The four streams; `test` numbers the sessions."""

    learner: Ints  # by test, like the next three
    created_at: Ints
    is_mobile: Mask
    clock_skew: Ints
    test_questions: Table  # test, question, position
    events: Table  # DEFAULTS and: test, at, seq, roll; those that came one by one
    sent: Table  # the same and: batch; those that came in batches, batch by batch
    received_at: Ints  # by batch
    event_at: Ints  # by row of `sent`: the server's time of the event, as the contract derives it


def simulate(seed: int, curriculum: Curriculum, learners: Learners, start_at: int, days: int) -> Assessment:
    """Let the learners take tests."""
    rng = random(seed, "assessment")
    end_at = start_at + days * MICROSECONDS_PER_DAY
    takes = rng.random((len(learners.ids), days)) < TESTS_A_DAY
    learner, day = np.nonzero(takes)
    hour = learners.habit_hour[learner] + 1.5 + rng.normal(0, 1.5, len(learner)) - learners.utc_offset[learner]
    created_at = start_at + day * MICROSECONDS_PER_DAY + np.round(hour * 3_600_000).astype(np.int64) * 1000
    kept = (created_at >= start_at) & (created_at < end_at)
    learner, created_at = learner[kept], created_at[kept]
    tests = len(learner)

    size = rng.integers(6, 15, tests)
    test, position = expanded(size)
    # A stride that shares no factor with the number of questions never meets a question twice.
    questions = curriculum.topics * QUESTIONS_PER_TOPIC
    strides = np.array([stride for stride in range(1, questions) if np.gcd(stride, questions) == 1])
    question = (rng.integers(0, questions, tests)[test] + position * rng.choice(strides, tests)[test]) % questions

    end = rng.random(tests)
    is_submitted = end < SUBMITTED_SHARE
    is_expired = ~is_submitted & (end < SUBMITTED_SHARE + EXPIRED_SHARE)
    seen = np.where(is_submitted, size, 1 + (rng.random(tests) * (size - 1)).astype(np.int64))

    script = Script(DEFAULTS)
    script.add(np.arange(tests), 0, 0, kind=KIND["SESSION_CREATED"])
    marked = _write_visits(rng, script, test, position, question, seen)
    _write_review(rng, script, test, position, question, size, marked & is_submitted[test])
    last = (2 * size + 2) * VISIT_PLACES
    handed_in = np.flatnonzero(is_submitted)
    script.add(handed_in, last[handed_in], 6, kind=KIND["SESSION_SUBMITTED"])
    looked = handed_in[rng.random(len(handed_in)) < 0.6]
    script.add(looked, last[looked] + 1, 60 + rng.exponential(30_000, len(looked)), kind=KIND["REVIEW_OPENED"])
    ran_out = np.flatnonzero(is_expired)
    script.add(ran_out, last[ran_out], 60, kind=KIND["SESSION_EXPIRED"])
    events = script.played(created_at)
    expired = events["kind"] == KIND["SESSION_EXPIRED"]
    limit = created_at[events["session"]] + TIME_LIMIT
    events["at"] = np.where(expired, np.maximum(events["at"], limit), events["at"])
    events["test"] = events.pop("session")

    by_client = events["kind"] >= SERVER_KINDS
    events["seq"] = np.where(by_client, ranked(events["test"] * 2 + by_client), -1)
    events["roll"] = rng.integers(0, 2**31, len(by_client), dtype=np.int64)
    events = take(events, (events["at"] < end_at) & (~by_client | (rng.random(len(by_client)) >= LOST_SHARE)))
    in_batch = (events["seq"] >= 0) & (rng.random(tests) >= OLD_CLIENT_SHARE)[events["test"]]
    sent = take(events, in_batch)
    _, batch = np.unique(
        sent["test"] * 1000 + sent["seq"] // rng.integers(5, 19, tests)[sent["test"]], return_inverse=True
    )
    batches = int(batch.max(initial=-1)) + 1
    newest = np.zeros(batches, dtype=np.int64)
    np.maximum.at(newest, batch, sent["at"])
    latency = np.round(rng.uniform(100, 1900, batches)).astype(np.int64) * 1000
    received_at = np.minimum(newest + latency, end_at - 1000)
    return Assessment(
        learner=learner,
        created_at=created_at,
        is_mobile=rng.random(tests) < 0.35,
        clock_skew=learners.clock_skew[learner],
        test_questions={"test": test, "question": question, "position": position},
        events=take(events, ~in_batch),
        sent={**sent, "batch": batch},
        received_at=received_at,
        event_at=received_at[batch] - (newest[batch] - sent["at"]),
    )


def _write_visits(
    rng: np.random.Generator, script: Script, test: Ints, position: Ints, question: Ints, seen: Ints
) -> Mask:
    """One question after the other, now and then a look at the one before; gives what was marked for review."""
    is_seen = position < seen[test]
    visit = np.flatnonzero(is_seen)
    place = (position + 1) * VISIT_PLACES

    def some(share: float, among: Ints) -> Ints:
        return among[rng.random(len(among)) < share]

    def gap(mean: float, rows: Ints) -> Floats:
        return rng.lognormal(np.log(mean), 0.6, len(rows))

    def write(kind: str, rows: Ints, offset: int, mean: float, **columns: object) -> None:
        script.add(test[rows], place[rows] + offset, gap(mean, rows), kind=KIND[kind], **columns)  # type: ignore[arg-type]

    write("QUESTION_VIEWED", visit, 0, 0.8, question=question[visit], position=position[visit])
    blurred = some(0.05, visit)
    write("PAUSE_BLUR", blurred, 1, 12, focus=0)
    refocused = some(0.9, blurred)
    write("PAUSE_BLUR", refocused, 2, 25, focus=1)
    selected = some(0.93, visit)
    write(
        "ANSWER_SELECTED", selected, 3, 24, question=question[selected], answer=rng.integers(0, OPTIONS, len(selected))
    )
    changed = some(0.13, selected)
    write("ANSWER_CHANGED", changed, 4, 9, question=question[changed], answer=rng.integers(0, OPTIONS, len(changed)))
    marked = some(0.09, visit)
    write("MARK_FOR_REVIEW_TOGGLED", marked, 5, 3, question=question[marked])
    back = some(0.05, visit[position[visit] > 0])
    write("NAVIGATE_PREV", back, 6, 3, from_position=position[back], to_position=position[back] - 1)
    write("QUESTION_VIEWED", back, 7, 0.8, question=question[back - 1], position=position[back] - 1)
    write("NAVIGATE_NEXT", back, 8, 9, from_position=position[back] - 1, to_position=position[back])
    write("QUESTION_VIEWED", back, 9, 0.8, question=question[back], position=position[back])
    onward = visit[position[visit] < seen[test[visit]] - 1]
    write("NAVIGATE_NEXT", onward, 10, 2, from_position=position[onward], to_position=position[onward] + 1)
    is_marked = np.zeros(len(test), dtype=np.bool_)
    is_marked[marked] = True
    return is_marked


def _write_review(
    rng: np.random.Generator, script: Script, test: Ints, position: Ints, question: Ints, size: Ints, marked: Mask
) -> None:
    """Before handing in: jump to what was marked, and perhaps change it."""
    rows = np.flatnonzero(marked)
    place = (size[test[rows]] + position[rows] + 1) * VISIT_PLACES
    before = np.where(ranked(test[rows]) > 0, np.roll(position[rows], 1), size[test[rows]] - 1)
    at = {"question": question[rows], "position": position[rows]}
    script.add(test[rows], place, 4, kind=KIND["NAVIGATE_JUMP"], from_position=before, to_position=position[rows])
    script.add(test[rows], place + 1, 0.7, kind=KIND["QUESTION_VIEWED"], **at)
    changed = np.flatnonzero(rng.random(len(rows)) < 0.4)
    script.add(
        test[rows[changed]], place[changed] + 2, 5 + rng.exponential(12, len(changed)),
        kind=KIND["ANSWER_CHANGED"], question=question[rows[changed]], answer=rng.integers(0, OPTIONS, len(changed)),
    )  # fmt: skip
