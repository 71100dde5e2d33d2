"""Fitting on answers that were made with known causes, and what a fit may not depend on."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from mastery.evaluate import evaluate, predict
from mastery.fit import TooLittleToFit, first_attempts, fit
from tests.unit.mastery.attempts_of import attempts_of

START = datetime(2026, 1, 5)
TODAY = date(2026, 2, 1)


def _sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


def _class_of(learners: int, seed: int = 3, rounds: int = 20, days_apart: float = 0.01):
    """Learners of different ability who answer questions of different difficulty, of two topics in turn."""
    rng = np.random.default_rng(seed)
    ability, difficulty = rng.normal(0.4, 1, learners), rng.normal(0, 1, 40)
    rows = []
    for learner in range(learners):
        at = START + timedelta(seconds=learner)
        for _ in range(rounds):
            question = int(rng.integers(40))
            at += timedelta(days=days_apart)
            right = rng.random() < _sigmoid(ability[learner] - difficulty[question])
            rows.append((f"learner-{learner}", f"t{question % 2}", f"q{question}", at, bool(right)))
    return attempts_of(rows), difficulty


@pytest.fixture(scope="module")
def fitted():
    attempts, difficulty = _class_of(400)
    return attempts, difficulty, fit(attempts, TODAY)


def test_finds_which_questions_are_hard(fitted) -> None:
    attempts, difficulty, model = fitted
    rows = model.difficulties.to_pylist()
    found = {row["id"]: row["difficulty"] for row in rows if row["level"] == "question"}
    true = [difficulty[int(id_[1:])] for id_ in found]
    assert np.corrcoef(list(found.values()), true)[0, 1] > 0.95
    assert (model.fitted_on, model.first_attempt_on, model.last_attempt_on) == (
        TODAY,
        date(2026, 1, 5),
        date(2026, 1, 5),
    )
    assert model.fitted_attempts == int((~attempts.is_held_out).sum())


def test_beats_the_naive_methods_on_learners_it_never_saw(fitted) -> None:
    attempts, _, model = fitted
    held_out = {f.method: f for f in evaluate(attempts, [model], TODAY) if f.split == "held_out"}
    for method in ("topic_average", "running_accuracy", "exponential_accuracy"):
        assert held_out["mastery"].auc > held_out[method].auc + 0.05
        assert held_out["mastery"].log_loss < held_out[method].log_loss
    assert held_out["mastery"].ece < 0.05


def test_held_out_answers_decide_nothing(fitted) -> None:
    """A flipped answer of a held-out learner changes no coefficient, and only that learner's later predictions."""
    attempts, _, model = fitted
    someone = attempts.learner[attempts.is_held_out][0]
    place = int(np.flatnonzero(attempts.learner == someone)[7])
    answers = attempts.is_correct.copy()
    answers[place] = ~answers[place]
    flipped = replace(attempts, is_correct=answers)
    again = fit(flipped, TODAY)
    assert again.version == model.version
    assert again.coefficients == model.coefficients
    assert again.difficulties.equals(model.difficulties)
    changed = np.flatnonzero(predict(attempts, model) != predict(flipped, model))
    assert set(changed) == {row for row in np.flatnonzero(attempts.learner == someone) if row > place}


def test_the_same_attempts_give_the_same_version(fitted) -> None:
    attempts, _, model = fitted
    assert fit(attempts, TODAY).version == model.version
    assert fit(_class_of(400, seed=4)[0], TODAY).version != model.version


def test_nobody_gets_better_by_not_practising() -> None:
    """Learners who answer better the longer they stayed away: the time is not taken for a teacher."""
    rng = np.random.default_rng(5)
    rows = []
    for learner in range(80):
        at = START
        for _ in range(20):
            days = float(rng.exponential(5))
            at += timedelta(days=days)
            rows.append((f"u{learner}", "t", f"q{rng.integers(30)}", at, bool(rng.random() < _sigmoid(days / 5 - 0.5))))
    model = fit(attempts_of(rows), TODAY)
    assert model.coefficients["topic_fading"] <= 0
    assert model.coefficients["topic_fading_of_practice"] <= 0


@pytest.mark.parametrize("seed", [5, 6, 7])
def test_longer_times_than_were_seen_tell_little(seed: int) -> None:
    """All attempts of a learner are within an hour: what a day does is not known, a week takes nothing."""
    coefficients = fit(_class_of(400, seed=seed, days_apart=0.002)[0], TODAY).coefficients
    week = np.log1p(7 / coefficients["fading_days"])
    for practice in (0, np.log1p(10)):
        slope = coefficients["topic_fading"] + coefficients["topic_fading_of_practice"] * practice
        assert -0.1 < slope * week <= 0


def test_learners_beyond_the_most_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is fitted is decided by no held-out learner, and one who made too many attempts takes nobody's place."""
    monkeypatch.setattr("mastery.fit.MOST_ATTEMPTS", 3000)
    attempts, _ = _class_of(400)
    model = fit(attempts, TODAY)
    assert 2400 < model.fitted_attempts <= 3000
    for someone in np.unique(attempts.learner[attempts.is_held_out])[:5]:
        assert fit(attempts.of(attempts.learner != someone), TODAY).coefficients == model.coefficients

    giant = [("goliath", "t0", f"q{k % 40}", START + timedelta(minutes=k), k % 3 > 0) for k in range(3100)]
    others = [
        (f"u{learner}", "t0", f"q{k}", START + timedelta(minutes=k), (k + learner) % 3 > 0)
        for learner in range(100)
        for k in range(20)
    ]
    alone, together = attempts_of(others), attempts_of(others + giant)
    assert not together.is_held_out[together.learner == together.learner_ids.index("goliath")].any()
    assert fit(together, TODAY).fitted_attempts == int((~alone.is_held_out).sum())


def test_forgetting_is_found_where_it_is() -> None:
    """Practice is forgotten within days: time features make the predictions for unseen learners better."""
    rng = np.random.default_rng(6)
    rows = []
    for learner in range(300):
        at, strength = START, 0.0
        for _ in range(25):
            days = float(rng.choice([0.002, 12.0], p=[0.7, 0.3]))
            at += timedelta(days=days)
            strength *= np.exp(-days / 6)
            rows.append(
                (
                    f"u{learner}",
                    "t",
                    f"q{rng.integers(300)}",
                    at,
                    bool(rng.random() < _sigmoid(1.2 * np.log1p(strength) - 0.8)),
                )
            )
            strength += 1.0
    attempts = attempts_of(rows)
    model = fit(attempts, TODAY)
    timeless = fit(replace(attempts, at=np.arange(len(attempts), dtype=np.int64)), TODAY)
    assert model.coefficients["topic_fading_of_practice"] < 0
    with_time, without = (
        next(f for f in evaluate(a, [m], TODAY) if (f.method, f.split) == ("mastery", "held_out"))
        for a, m in ((attempts, model), (replace(attempts, at=np.arange(len(attempts), dtype=np.int64)), timeless))
    )
    assert with_time.log_loss < without.log_loss - 0.005


def test_too_little_is_said() -> None:
    with pytest.raises(TooLittleToFit, match="10 learners"):
        fit(_class_of(5)[0], TODAY)
    attempts, _ = _class_of(60)
    with pytest.raises(TooLittleToFit, match="right and wrong"):
        fit(replace(attempts, is_correct=np.ones(len(attempts), bool)), TODAY)


def test_an_interval_has_a_width_where_nearly_all_is_right() -> None:
    rng = np.random.default_rng(8)
    rows = [
        (f"u{learner}", "t", f"q{rng.integers(30)}", START + timedelta(minutes=number), bool(rng.random() < 0.997))
        for learner in range(100)
        for number in range(30)
    ]
    assert fit(attempts_of(rows), TODAY).coefficients["interval_variance"] >= 0.1


def test_few_learners_are_enough_for_a_cautious_model() -> None:
    attempts, _ = _class_of(40, seed=9)
    held_out = {f.method: f for f in evaluate(attempts, [fit(attempts, TODAY)], TODAY) if f.split == "held_out"}
    assert held_out["mastery"].log_loss < held_out["topic_average"].log_loss


def test_first_attempts() -> None:
    attempts = attempts_of(
        [
            ("u", "t", "q", START, True),
            ("u", "t", "p", START, True),
            ("u", "t", "q", START, True),
            ("v", "t", "q", START, True),
        ]
    )
    assert first_attempts(attempts).tolist() == [True, True, False, True]
