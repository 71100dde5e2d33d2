"""Mastery models made by hand, for random histories.

What belongs here: numbers under which few attempts and few days meet every level and every kind of gap, and under which
a mistake in any feature shows. What does not: what follows from a model (`marts/mastery.py`), and any fitting.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.reference.marts.mastery import FEATURES, Difficulty, Model

# What decides, in the order in which it is noticed. Every other feature has a small coefficient of its own.
LEARNING = {
    "intercept": 1.5,
    "topic_3_strength": 0.55,
    "topic_1_correct": 1.1,
    "topic_1_wrong": -0.9,
    "topic_all_wrong": -0.2,
    "topic_hinted": -0.1,
    "learner_10_strength": 0.12,
    "question_difficulty": -0.8,
    "topic_difficulty": -0.2,
}
FADING = {"topic_fading": -0.25, "topic_fading_of_practice": -0.15}
SHARES = (0.5, 0.85, 0.3, 0.62, 0.97, 0.123457)  # of right answers at the questions and topics that a model knows


def champion(topics: Sequence[str], questions: Sequence[str]) -> Model:
    """A model that learns and forgets fast, and knows every other question and topic."""
    return Model(
        version="by-hand-1",
        coefficients={**small_coefficients(), **LEARNING, **FADING},
        questions=difficulties(questions[::2]),
        topics=difficulties(topics[::2]),
        overall=Difficulty.of(0.55),
        interval_variance=0.02,
        interval_newness=0.4,
        fading_days=0.7,
    )


def challenger(topics: Sequence[str], questions: Sequence[str]) -> Model:
    """Another one: nothing fades, so that levels never end, and it knows other questions and topics."""
    still = {"topic_fading": 0.0, "topic_fading_of_practice": 0.0}
    return Model(
        version="by-hand-2",
        coefficients={**small_coefficients(), **LEARNING, **still, "intercept": 0.8},
        questions=difficulties(questions[1::2]),
        topics=difficulties(topics[1::2]),
        overall=Difficulty.of(0.4),
        interval_variance=0.0,
        interval_newness=0.5,
        fading_days=2.0,
    )


def small_coefficients() -> dict[str, float]:
    """Something for every feature, and no two alike: a memory that is taken for another one changes a prediction."""
    return {name: 0.001 * (number + 1) * (-1) ** number for number, name in enumerate(sorted(FEATURES))}


def difficulties(ids: Sequence[str]) -> dict[str, Difficulty]:
    return {known: Difficulty.of(SHARES[number % len(SHARES)]) for number, known in enumerate(ids)}
