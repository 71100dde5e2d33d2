"""Figures of predictions, worked out by hand."""

from datetime import date, datetime, timedelta
from math import log

import numpy as np
import pyarrow as pa
import pytest

from mastery.evaluate import calibration, evaluate, expected_calibration_error, naive, predict
from mastery.model import DIFFICULTIES, Model
from tests.unit.mastery.attempts_of import attempts_of

START = datetime(2026, 1, 5)
MODEL = Model(
    version="by hand",
    coefficients={"intercept": 0.1, "question_difficulty": -1.0, "topic_all_strength": 0.5, "fading_days": 1.0},
    difficulties=pa.table(
        {
            "level": ["overall", "topic", "question"],
            "id": ["", "t", "q"],
            "difficulty": [0.0, 0.4, -0.7],
            "expected_millionths": [500_000, 400_000, 670_000],
            "information_millionths": [250_000, 240_000, 221_100],
        },
        schema=DIFFICULTIES,
    ),
    fitted_on=date(2026, 1, 1),
    fitted_attempts=0,
)
# The MD5 of "1" begins with c4ca4238, 3301589560, which is divisible by 5; that of "0", cfcd2084, 3486326916, is not.
HELD_OUT, FITTED = "1", "0"


def test_who_is_held_out() -> None:
    attempts = attempts_of([(u, "t", "q", START, True) for u in (HELD_OUT, FITTED)])
    assert [attempts.learner_ids[i] for i in attempts.learner[attempts.is_held_out]] == [HELD_OUT]


def test_a_prediction_by_hand() -> None:
    attempts = attempts_of(
        [
            ("u", "t", "q", START, True),  # difficulty -0.7, nothing before
            ("u", "t", "new", START + timedelta(1), True),  # the topic's 0.4; before it right at 0.67
            ("u", "else", "newer", START + timedelta(2), True),  # the overall 0
        ]
    )
    strength = (1 - 0.67) / (0.2211 + 0.5)
    logits = [0.1 + 0.7, 0.1 - 0.4 + 0.5 * strength, 0.1]
    assert predict(attempts, MODEL).tolist() == pytest.approx([1 / (1 + np.exp(-z)) for z in logits])


def test_figures_by_hand() -> None:
    """Two predictions are made of each value; AUC counts pairs in order, a tie as half."""
    rows = [(HELD_OUT, f"x{n}", "q" if n < 2 else "new", START + timedelta(n), n != 1) for n in range(4)]
    attempts = attempts_of(rows)
    predicted = predict(attempts, MODEL)
    [figures] = [f for f in evaluate(attempts, [MODEL], date(2026, 1, 31)) if f.method == "mastery"]
    right, wrong = predicted[[0, 2, 3]], predicted[1]
    assert figures.auc == pytest.approx(np.mean([1.0 if p > wrong else 0.5 if p == wrong else 0.0 for p in right]))
    assert figures.log_loss == pytest.approx(-(sum(log(p) for p in right) + log(1 - wrong)) / 4)
    assert (figures.learners, figures.attempts) == (1, 4)
    assert (figures.first_attempt_on, figures.last_attempt_on) == (date(2026, 1, 5), date(2026, 1, 8))
    assert figures.evaluated_on == date(2026, 1, 31)


def test_calibration_error_by_hand() -> None:
    """Of two at 0.25 one came, of two at 0.95 both: (2 x 0.25 + 2 x 0.05) / 4."""
    error = expected_calibration_error(np.array([True, False, True, True]), np.array([0.25, 0.25, 0.95, 0.95]))
    assert error == pytest.approx(0.15)
    assert expected_calibration_error(np.array([True]), np.array([1.0])) == 0


def test_calibration_is_of_held_out_learners() -> None:
    attempts = attempts_of([(f"{n}", "t", "q", START, True) for n in range(40)])
    assert sum(n for _, _, n in calibration(attempts, MODEL)) == attempts.is_held_out.sum() > 0


def testnaive_methods_by_hand() -> None:
    """One topic, one learner that is not held out: right, wrong, right."""
    rows = [(FITTED, "t", f"q{n}", START + timedelta(n), right) for n, right in enumerate([True, False, True])]
    attempts = attempts_of(rows)
    methods = dict(naive(attempts))
    topic = (2 + 2 / 3) / (3 + 1)
    assert methods["topic_average"].tolist() == pytest.approx([topic] * 3)
    assert methods["running_accuracy"].tolist() == pytest.approx([topic, (1 + 5 * topic) / 6, (1 + 5 * topic) / 7])
    second = 0.8 * topic + 0.2
    assert methods["exponential_accuracy"].tolist() == pytest.approx([topic, second, 0.8 * second])
