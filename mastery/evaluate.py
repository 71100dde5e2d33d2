"""How well models, and methods that are no model, say what learners answer next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
from scipy.special import expit
from sklearn.metrics import log_loss, roc_auc_score

from mastery.attempts import Attempts, Floats, Mask, date_of
from mastery.features import Level, Seen, features
from mastery.model import Figures, Method, Model, Split

# Ten bins of equal width, as is usual for the expected calibration error.
_BINS = 10
# A learner's share of correct answers is drawn to the topic's by so many attempts at the topic's average.
_RUNNING_PRIOR = 5.0
# The weight of the newest answer in an exponentially weighted accuracy.
_NEWEST = 0.2


def predict(attempts: Attempts, model: Model) -> Floats:
    """The probability that each attempt is correct, from the learner's earlier attempts and the model alone."""
    logits = np.full(len(attempts), model.coefficients["intercept"])
    by_name = features(attempts, seen(attempts, model), model.coefficients["fading_days"])
    for name, values in by_name.items():
        logits += model.coefficients.get(name, 0.0) * values
    probability: Floats = expit(logits)
    return probability


def seen(attempts: Attempts, model: Model) -> Seen:
    """The attempts as the model's difficulties show them."""
    rows = model.difficulties.to_pydict()
    place = {key: i for i, key in enumerate(zip(rows["level"], rows["id"], strict=True))}
    overall = place["overall", ""]
    topic = np.array([place.get(("topic", id_), overall) for id_ in attempts.topic_ids], dtype=np.int64)[attempts.topic]
    question = np.array([place.get(("question", id_), -1) for id_ in attempts.question_ids], dtype=np.int64)
    question = question[attempts.question]
    question = np.where(question < 0, topic, question)
    difficulty = np.array(rows["difficulty"])
    return Seen(
        question_difficulty=difficulty[question],
        topic_difficulty=difficulty[topic],
        expected=np.array(rows["expected_millionths"], dtype=np.int64)[question],
        information=np.array(rows["information_millionths"], dtype=np.int64)[question],
    )


def evaluate(attempts: Attempts, models: Sequence[Model], evaluated_on: date) -> list[Figures]:
    """Figures of the models, and of the naive methods under the first model's version, on the same attempts."""
    methods: list[tuple[str, Method, Floats]] = [
        *((models[0].version, name, predicted) for name, predicted in naive(attempts)),
        *((model.version, "mastery", predict(attempts, model)) for model in models),
    ]
    splits: dict[Split, Mask] = {"held_out": attempts.is_held_out, "fitted": ~attempts.is_held_out}
    return [
        _figures(attempts, rows, predicted[rows], version, split, method, evaluated_on)
        for version, method, predicted in methods
        for split, rows in splits.items()
        if len(np.unique(attempts.is_correct[rows])) == 2
    ]


def calibration(attempts: Attempts, model: Model) -> list[tuple[float, float, int]]:
    """For the bins of predictions of held-out learners: mean prediction, share correct, attempts."""
    rows = attempts.is_held_out
    return list(_bins(attempts.is_correct[rows], predict(attempts, model)[rows]))


def expected_calibration_error(is_correct: Mask, predicted: Floats) -> float:
    """The mean distance between what was predicted and what came, over bins of the prediction, by attempts."""
    return sum(n * abs(mean - share) for mean, share, n in _bins(is_correct, predicted)) / len(predicted)


def _bins(is_correct: Mask, predicted: Floats) -> Iterator[tuple[float, float, int]]:
    bins = np.minimum((predicted * _BINS).astype(np.int64), _BINS - 1)
    for number in np.unique(bins):
        rows = bins == number
        yield float(predicted[rows].mean()), float(is_correct[rows].mean()), int(rows.sum())


def _figures(
    attempts: Attempts, rows: Mask, predicted: Floats, version: str, split: Split, method: Method, evaluated_on: date
) -> Figures:
    is_correct = attempts.is_correct[rows]
    return Figures(
        model_version=version,
        split=split,
        method=method,
        evaluated_on=evaluated_on,
        first_attempt_on=date_of(attempts.at[rows].min()),
        last_attempt_on=date_of(attempts.at[rows].max()),
        learners=len(np.unique(attempts.learner[rows])),
        attempts=int(rows.sum()),
        auc=float(roc_auc_score(is_correct, predicted)),
        log_loss=float(log_loss(is_correct, predicted)),
        ece=expected_calibration_error(is_correct, predicted),
    )


def naive(attempts: Attempts) -> Iterator[tuple[Method, Floats]]:
    """What one would use without a model; averages are those of the learners that are not held out."""
    correct = attempts.is_correct.astype(np.float64)
    fitted = ~attempts.is_held_out
    overall = float(correct[fitted].mean()) if fitted.any() else 0.5
    counts = np.bincount(attempts.topic[fitted], minlength=len(attempts.topic_ids))
    right = np.bincount(attempts.topic[fitted], correct[fitted], len(attempts.topic_ids))
    topic = ((right + overall) / (counts + 1))[attempts.topic]
    yield "topic_average", topic
    level = Level(attempts.learner * len(attempts.topic_ids) + attempts.topic)
    earlier, before = level.earlier(), level.sums(attempts.is_correct.astype(np.int64), None)
    yield "running_accuracy", (before + _RUNNING_PRIOR * topic) / (earlier + _RUNNING_PRIOR)
    yield "exponential_accuracy", _exponential(level, correct, topic)


def _exponential(level: Level, correct: Floats, start: Floats) -> Floats:
    """The accuracy with weights that fade by attempt, from the topic's average on: one step of all groups at a time."""
    ordered, number = correct[level.order], np.arange(len(level.order)) - level.start
    value = start[level.order].copy()
    by_number = np.argsort(number, kind="stable")
    steps = np.split(by_number, np.cumsum(np.bincount(number))[:-1]) if len(number) else []
    for rows in steps[1:]:
        value[rows] = (1 - _NEWEST) * value[rows - 1] + _NEWEST * ordered[rows - 1]
    result = np.empty_like(value)
    result[level.order] = value
    return result
