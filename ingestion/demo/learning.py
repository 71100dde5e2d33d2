"""How learners learn and forget: the true probability of each answer.

A learner answers a question correctly with the probability

    sigmoid(ability + gain * ln(1 + practice) + hint - difficulty of the question)

where `practice` is what is left of the learner's earlier attempts on the topic: a correct one counts 1, a wrong one
WRONG_COUNTS, and all of it fades exponentially with time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.demo.ids import Floats, Ints, Mask

WRONG_COUNTS = 0.5
HINT_HELPS = 0.8
MICROSECONDS_PER_DAY = 86_400_000_000


@dataclass(frozen=True)
class Answers:
    """The outcome of attempts, and the state in which they left each group (a learner at a topic)."""

    is_correct: Mask
    probability: Floats
    practice: Floats  # by group, as it was right after the group's last attempt
    last_at: Ints  # by group; 0 where there was no attempt


def sigmoid(logit: Floats) -> Floats:
    """The probability that belongs to a logit."""
    probability: Floats = 1 / (1 + np.exp(-logit))
    return probability


def answer(group: Ints, at: Ints, logit: Floats, gain: Floats, forgetting: Floats, luck: Floats) -> Answers:
    """Play the attempts of all groups.

    Within a group an attempt depends on those before it, so they are played one after the other; the k-th attempts of
    all groups are played at once.

    Args:
        group: of each attempt, in any order.
        at: when each attempt happened, in microseconds.
        logit: ability and hint less difficulty, of each attempt.
        gain: by group.
        forgetting: rate a day, by group.
        luck: a uniform random number for each attempt.
    """
    order = np.lexsort((at, group))
    sizes = np.bincount(group, minlength=len(gain))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    by_size = np.argsort(-sizes, kind="stable")
    # How many groups have a k-th attempt: those are the first ones of `by_size`.
    reaching = len(gain) - np.searchsorted(np.sort(sizes), np.arange(sizes.max(initial=0)), side="right")
    is_correct = np.zeros(len(group), dtype=np.bool_)
    probability = np.zeros(len(group))
    practice = np.zeros(len(gain))
    last_at = np.zeros(len(gain), dtype=np.int64)
    for k, groups in enumerate(reaching):
        who = by_size[:groups]
        attempt = order[starts[who] + k]
        days = (at[attempt] - last_at[who]) / MICROSECONDS_PER_DAY if k else np.zeros(groups)
        remembered = practice[who] * np.exp(-forgetting[who] * days)
        probability[attempt] = sigmoid(logit[attempt] + gain[who] * np.log1p(remembered))
        is_correct[attempt] = luck[attempt] < probability[attempt]
        practice[who] = remembered + np.where(is_correct[attempt], 1.0, WRONG_COUNTS)
        last_at[who] = at[attempt]
    return Answers(is_correct, probability, practice, last_at)
