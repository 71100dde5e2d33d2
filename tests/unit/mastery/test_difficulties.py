"""Difficulties of questions whose answers were made with known ones."""

from datetime import datetime, timedelta
from math import log

import numpy as np
import pytest

from mastery.difficulties import estimate, seen_by_fold
from tests.unit.mastery.attempts_of import attempts_of

START = datetime(2026, 1, 5)


def _everyone_answers(shares: dict[tuple[str, str], float], learners: int = 1000):
    """Each learner answers each (topic, question); the share that is right is as given."""
    return attempts_of(
        [
            (f"{learner:04}", topic, question, START + timedelta(seconds=number), learner < share * learners)
            for learner in range(learners)
            for number, ((topic, question), share) in enumerate(shares.items())
        ]
    )


def test_many_answers_decide() -> None:
    attempts = _everyone_answers({("t", "easy"): 0.9, ("t", "hard"): 0.2})
    found = estimate(attempts, np.ones(len(attempts), bool), np.zeros(len(attempts)))
    easy, hard = found.question  # by id: easy, hard
    assert easy == pytest.approx(-log(9), abs=0.06)
    assert hard == pytest.approx(log(4), abs=0.06)
    assert found.overall == pytest.approx(-log(0.55 / 0.45), abs=0.01)


def test_the_most_probable_difficulty_is_where_likelihood_and_prior_balance() -> None:
    """One topic, one question, 10 answers, 8 right: the sum of (p - answer) equals the pull of the prior."""
    attempts = _everyone_answers({("t", "q"): 0.8}, learners=10)
    found = estimate(attempts, np.ones(10, bool), np.zeros(10))
    probability = 1 / (1 + np.exp(found.question[0]))
    assert 10 * probability - 8 == pytest.approx((found.question[0] - found.topic[0]) / 0.8**2, abs=1e-9)


def test_ability_is_not_taken_for_ease() -> None:
    """Half of the answers are right, by learners for whom everything is two logits easier: the question is hard."""
    attempts = _everyone_answers({("t", "q"): 0.5})
    found = estimate(attempts, np.ones(len(attempts), bool), np.full(len(attempts), 2.0))
    assert found.question[0] == pytest.approx(2.0, abs=0.06)


def test_what_is_not_known_has_its_parents_difficulty() -> None:
    attempts = _everyone_answers({("t", "q"): 0.9, ("t", "new"): 0.5, ("other", "newer"): 0.5})
    known = attempts.question == attempts.question_ids.index("q")
    found = estimate(attempts, known, np.zeros(len(attempts)))
    seen = found.seen(attempts, level=0.0)
    of = {
        name: seen.question_difficulty[attempts.question == number][0]
        for number, name in enumerate(attempts.question_ids)
    }
    assert of["new"] == found.topic[attempts.topic_ids.index("t")]
    assert of["newer"] == found.overall
    table = found.table(attempts, level=0.0).to_pydict()
    assert list(zip(table["level"], table["id"], strict=True)) == [("overall", ""), ("topic", "t"), ("question", "q")]
    expected = 1 / (1 + np.exp(table["difficulty"][2]))
    assert table["expected_millionths"][2] == round(expected * 1e6)
    assert table["information_millionths"][2] == round(expected * (1 - expected) * 1e6)


def test_nobody_is_seen_through_their_own_answers() -> None:
    """Flipping a learner's answers changes what learners of other folds are seen through, and not the learner."""
    rng = np.random.default_rng(1)
    rows = [
        (f"{learner}", "t", f"q{q}", START + timedelta(seconds=q), bool(rng.random() < 0.6))
        for learner in range(60)
        for q in range(5)
    ]
    attempts = attempts_of(rows)
    known = ~attempts.is_held_out
    someone = int(attempts.learner[known][0])
    flipped = attempts_of([(u, t, q, at, right ^ (u == attempts.learner_ids[someone])) for u, t, q, at, right in rows])
    before, after = (seen_by_fold(a, known, np.zeros(len(a)), 0.0).question_difficulty for a in (attempts, flipped))
    own = attempts.learner == someone
    other = known & (attempts.fold != attempts.fold[own][0])
    assert (before[own] == after[own]).all()
    assert (before[other] != after[other]).all()
