"""How hard questions and topics are: estimates that are drawn to their parents' while little is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa

from mastery.attempts import FOLDS, Attempts, Floats, Ints, Mask
from mastery.features import MILLION, Seen

# Standard deviations, in logits, of topics around the overall difficulty and of questions around their topic's.
TOPIC_SPREAD = 1.0
QUESTION_SPREAD = 0.8
_NEWTON_STEPS = 20
_LONGEST_STEP = 1.0  # logits


@dataclass(frozen=True)
class Difficulties:
    """Difficulties in logits, higher is harder, by position of topic and question; and of what nobody knows."""

    overall: float
    topic: Floats
    question: Floats
    knows_topic: Mask
    knows_question: Mask

    def seen(self, attempts: Attempts, level: float) -> Seen:
        """The attempts as seen through these, for average learners of a `level` (logits)."""
        topic = np.where(self.knows_topic, self.topic, self.overall)[attempts.topic]
        question = np.where(self.knows_question[attempts.question], self.question[attempts.question], topic)
        return _seen(question, topic, level)

    def table(self, attempts: Attempts, level: float) -> pa.Table:
        """The rows that a model keeps: see docs/guides/mastery_model.md."""
        ids = ["", *_chosen(attempts.topic_ids, self.knows_topic), *_chosen(attempts.question_ids, self.knows_question)]
        levels = ["overall"] + ["topic"] * int(self.knows_topic.sum()) + ["question"] * int(self.knows_question.sum())
        difficulty = np.concatenate([[self.overall], self.topic[self.knows_topic], self.question[self.knows_question]])
        seen = _seen(difficulty, difficulty, level)
        return pa.table(
            {
                "level": levels,
                "id": ids,
                "difficulty": difficulty,
                "expected_millionths": seen.expected,
                "information_millionths": seen.information,
            }
        )


def estimate(attempts: Attempts, known: Mask, ease: Floats) -> Difficulties:
    """The most probable difficulties, given what else decides the answers.

    A question answered by learners who find it `ease` logits easy besides has the difficulty d that maximizes the
    likelihood of its answers, with the probability 1 / (1 + exp(d - ease)), times a normal prior around its topic's
    difficulty; topics likewise around the overall one.

    Args:
        attempts: whose answers are used, where `known`.
        known: which attempts those are.
        ease: logits of each attempt, its difficulty aside.
    """
    answers, offset = attempts.is_correct[known].astype(np.float64), ease[known]
    topic, question = attempts.topic[known], attempts.question[known]
    everything = np.zeros(len(answers), dtype=np.int64)
    overall = _newton(everything, answers, offset, np.zeros(1), 100.0)
    topics = _newton(topic, answers, offset, np.repeat(overall, len(attempts.topic_ids)), TOPIC_SPREAD)
    of_question = _usual_topic(topic, question, len(attempts.topic_ids), len(attempts.question_ids))
    questions = _newton(question, answers, offset, topics[of_question], QUESTION_SPREAD)
    return Difficulties(
        overall=float(overall[0]),
        topic=topics,
        question=questions,
        knows_topic=np.bincount(topic, minlength=len(attempts.topic_ids)) > 0,
        knows_question=np.bincount(question, minlength=len(attempts.question_ids)) > 0,
    )


def by_fold(attempts: Attempts, known: Mask, ease: Floats) -> Iterator[tuple[Mask, Difficulties]]:
    """For the attempts of each fold, difficulties from the other folds; for all others, from all known attempts.

    So that no learner's own answers are in the difficulties through which a fit sees them.
    """
    for fold in range(FOLDS):
        own = attempts.fold == fold
        yield own & ~attempts.is_held_out, estimate(attempts, known & ~own, ease)
    if attempts.is_held_out.any():
        yield attempts.is_held_out, estimate(attempts, known, ease)


def seen_by_fold(attempts: Attempts, known: Mask, ease: Floats, level: float) -> Seen:
    """The attempts as seen through the difficulties of `by_fold`."""
    together = Seen(
        question_difficulty=np.zeros(len(attempts)),
        topic_difficulty=np.zeros(len(attempts)),
        expected=np.zeros(len(attempts), dtype=np.int64),
        information=np.zeros(len(attempts), dtype=np.int64),
    )
    for rows, difficulties in by_fold(attempts, known, ease):
        seen = difficulties.seen(attempts, level)
        for field in fields(Seen):
            getattr(together, field.name)[rows] = getattr(seen, field.name)[rows]
    return together


def _newton(group: Ints, answers: Floats, offset: Floats, prior: Floats, spread: float) -> Floats:
    """The most probable difficulty of each group, by Newton's method."""
    difficulty = prior.astype(np.float64)
    for _ in range(_NEWTON_STEPS):
        expected = 1 / (1 + np.exp(difficulty[group] - offset))
        slope = np.bincount(group, expected - answers, len(prior)) - (difficulty - prior) / spread**2
        curve = np.bincount(group, expected * (1 - expected), len(prior)) + 1 / spread**2
        difficulty = difficulty + np.clip(slope / curve, -_LONGEST_STEP, _LONGEST_STEP)
    return difficulty


def _usual_topic(topic: Ints, question: Ints, topics: int, questions: int) -> Ints:
    """The topic under which each question was attempted most often; at a tie, the first by id."""
    pairs, attempts = np.unique(question * topics + topic, return_counts=True)
    order = np.lexsort((-(pairs % topics), attempts))
    usual = np.zeros(questions, dtype=np.int64)
    usual[pairs[order] // topics] = pairs[order] % topics
    return usual


def _seen(question: Floats, topic: Floats, level: float) -> Seen:
    expected = 1 / (1 + np.exp(question - level))
    return Seen(
        question_difficulty=question,
        topic_difficulty=topic,
        expected=np.rint(expected * MILLION).astype(np.int64),
        information=np.rint(expected * (1 - expected) * MILLION).astype(np.int64),
    )


def _chosen(ids: list[str], chosen: Mask) -> list[str]:
    return [id_ for id_, is_chosen in zip(ids, chosen, strict=True) if is_chosen]
