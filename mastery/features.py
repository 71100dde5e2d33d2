"""The features of attempts: what the learner did before, read through difficulties (docs/guides/mastery_model.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mastery.attempts import Attempts, Floats, Ints

MICROSECONDS_PER_DAY = 86_400_000_000
MILLION = 1_000_000

# By level: how many of the last attempts each memory holds (None: all of them), and by how much information its
# strength is drawn to 0.
MEMORIES: dict[str, tuple[tuple[int | None, ...], float]] = {
    "learner": ((1, 3, 10, 30, 100, 300, None), 1.0),
    "topic": ((1, 3, 10, None), 0.5),
    "question": ((1, None), 0.5),
}
# What time without practice takes: coefficients of these are at most 0.
FADING = ("topic_fading", "topic_fading_of_practice")


@dataclass(frozen=True)
class Seen:
    """The difficulties through which each attempt is seen: logits, and whole millionths."""

    question_difficulty: Floats
    topic_difficulty: Floats
    expected: Ints
    information: Ints


class Level:
    """The attempts of a level, one group (a learner, a learner's topic, a learner's question) after the other."""

    def __init__(self, group: Ints) -> None:
        """Sort attempts by the number of their group; within it they keep their order."""
        self.order = np.argsort(group, kind="stable")
        self.place = np.empty_like(self.order)
        self.place[self.order] = np.arange(len(group))
        self.sorted = group[self.order]
        is_first = np.concatenate([[True], self.sorted[1:] != self.sorted[:-1]]) if len(group) else np.zeros(0, bool)
        starts = np.flatnonzero(is_first)
        self.start = starts[np.cumsum(is_first) - 1] if len(group) else np.zeros(0, np.int64)

    def earlier(self) -> Ints:
        """How many attempts of the group came before each."""
        counted: Ints = (np.arange(len(self.order)) - self.start)[self.place]
        return counted

    def sums(self, values: Ints, last: int | None) -> Ints:
        """The sum over the last so many earlier attempts of the group, or over all of them."""
        totals = np.concatenate([[0], np.cumsum(values[self.order])])
        here = np.arange(len(self.order))
        since = self.start if last is None else np.maximum(self.start, here - last)
        summed: Ints = (totals[here] - totals[since])[self.place]
        return summed

    def previous(self, values: Ints) -> tuple[Ints, Ints]:
        """The value at the attempt of the group before each (0 where there is none), and whether there is one."""
        ordered = values[self.order]
        before = np.concatenate([[0], ordered[:-1]]) if len(ordered) else ordered
        exists = np.arange(len(self.order)) > self.start
        return np.where(exists, before, 0)[self.place], exists[self.place].astype(np.int64)


def features(attempts: Attempts, seen: Seen, fading_days: float) -> dict[str, Floats]:
    """Every feature by name, each with one entry an attempt. Nothing of an attempt enters its own features.

    Args:
        attempts: whose features these are.
        seen: the difficulties through which the attempts are seen.
        fading_days: the days after which time without practice begins to tell.
    """
    return dict(_features(attempts, seen, fading_days))


def _features(attempts: Attempts, seen: Seen, fading_days: float) -> Iterator[tuple[str, Floats]]:
    levels = {
        "learner": Level(attempts.learner),
        "topic": Level(attempts.learner * len(attempts.topic_ids) + attempts.topic),
        "question": Level(attempts.learner * len(attempts.question_ids) + attempts.question),
    }
    correct = attempts.is_correct.astype(np.int64)
    right_answers, strength, practice = {}, {}, {}
    for level, (memories, drawn) in MEMORIES.items():
        practice[level] = np.log1p(levels[level].earlier())
        for last in memories:
            count = np.minimum(levels[level].earlier(), last) if last else levels[level].earlier()
            right = levels[level].sums(correct, last)
            surprise = right - levels[level].sums(seen.expected, last) / MILLION
            information = levels[level].sums(seen.information, last) / MILLION
            name = f"{level}_{last or 'all'}"
            right_answers[name] = np.log1p(right)
            yield f"{name}_correct", right_answers[name]
            yield f"{name}_wrong", np.log1p(count - right)
            strength[name] = surprise / (information + drawn)
            yield f"{name}_strength", strength[name]
    yield "question_difficulty", seen.question_difficulty
    yield "topic_difficulty", seen.topic_difficulty
    for level, attempts_before in practice.items():
        yield f"{level}_attempts", attempts_before
    yield "topic_hinted", np.log1p(levels["topic"].sums(attempts.hint_used.astype(np.int64), None))
    topic_fading = _fading(attempts, levels["topic"], fading_days)
    yield "topic_fading", topic_fading
    yield "topic_fading_of_practice", topic_fading * practice["topic"]
    number = levels["learner"].earlier()
    yield "topic_pause", _pause(number, levels["topic"])
    pause = _pause(number, levels["question"])
    yield "question_pause", pause
    yield "question_pause_of_strength", pause * strength["question_all"]
    yield "difficulty_of_strong", seen.question_difficulty * strength["learner_all"]
    yield "difficulty_of_practised", seen.question_difficulty * right_answers["topic_10"]
    yield "difficulty_of_known", seen.question_difficulty * practice["question"]
    yield "learner_100_correct_of_attempts", right_answers["learner_100"] * practice["learner"]


def _pause(number: Ints, level: Level) -> Floats:
    previous, exists = level.previous(number)
    pause: Floats = np.log1p((number - previous) * exists)
    return pause


def _fading(attempts: Attempts, level: Level, fading_days: float) -> Floats:
    previous, exists = level.previous(attempts.at)
    days = (attempts.at - previous) * exists / MICROSECONDS_PER_DAY
    fading: Floats = np.log1p(days / fading_days)
    return fading


def topic_information(attempts: Attempts, seen: Seen) -> Floats:
    """What is known of the learner at the topic before each attempt: the information of the earlier attempts there."""
    level = Level(attempts.learner * len(attempts.topic_ids) + attempts.topic)
    known: Floats = level.sums(seen.information, None) / MILLION
    return known
