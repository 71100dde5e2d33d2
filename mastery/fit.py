"""Fitting a model version: difficulties, coefficients, the width of intervals, from learners that are not held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date

import numpy as np
from scipy.optimize import nnls
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from mastery.attempts import FOLDS, Attempts, Floats, Ints, Mask, date_of
from mastery.difficulties import estimate, seen_by_fold
from mastery.features import FADING, Seen, features, topic_information
from mastery.model import Model

# More attempts make the fit slower and hardly better: of more, those of the learners first by hash are taken.
MOST_ATTEMPTS = 1_000_000
FEWEST_LEARNERS = 10
FEWEST_ATTEMPTS = 200
# How little coefficients are drawn to 0 (scikit-learn's C): chosen by trying on parts of the learners, where there are
# so few attempts that it matters.
_PENALTY = 1.0
_PENALTIES = (0.01, 0.1, 1.0)
_FEW_ATTEMPTS = 50_000
# What hardly varies in the attempts may vary tomorrow: a column counts as if it had at least this standard deviation,
# so that its coefficient, in its own units, is drawn to 0 for want of evidence. Of time, which goes on by itself, more.
_LEAST_SPREAD = 1.0
_LEAST_SPREAD_OF_TIME = 3.0
# Intervals: from how many attempts after one it is told how far predictions were off; and what is usual (variance and
# newness, in logits squared), which counts as much as so many pairs of attempts do.
_NEIGHBOURS = 5
_USUAL_INTERVAL = (0.3, 0.2)
_USUAL_PAIRS = 5_000
_LEAST_VARIANCE = 0.1  # where nearly all answers are right, pairs tell next to nothing
# Among these a fit chooses when time without practice begins to tell: within a day, a week or a month.
FADING_DAYS = (1.0, 7.0, 30.0)
# Logits from which on an interval grows no more.
MOST_STRETCHED = 4.0
_DIFFICULTIES = ("question_difficulty", "topic_difficulty")


class TooLittleToFit(ValueError):
    """There are too few learners or attempts for a model."""


def fit(attempts: Attempts, fitted_on: date) -> Model:
    """Fit a model version on the learners that are not held out.

    Answers are first explained by first guesses of the difficulties and what learners did before; then the difficulties
    are estimated again beside what learners bring along, and the coefficients with them. Learners are always seen
    through difficulties that others' answers gave.

    Args:
        attempts: of all learners; held-out ones decide nothing.
        fitted_on: the date that the model carries; the as-of date, not the clock's.

    Raises:
        TooLittleToFit: fewer learners or attempts than a fit can use, or all answers are the same.
    """
    attempts = attempts.of(~attempts.is_held_out)
    # One thread: sums are in one order, so that a fit gives the same version anywhere; a busy machine is faster, too.
    with threadpool_limits(limits=1):
        return _fit(attempts.of(_some_learners(attempts, MOST_ATTEMPTS)), fitted_on)


def _fit(attempts: Attempts, fitted_on: date) -> Model:
    # With a hint an answer says less; predictions are for answers without one.
    known = ~attempts.hint_used
    learners = len(np.unique(attempts.learner[known]))
    if learners < FEWEST_LEARNERS or known.sum() < FEWEST_ATTEMPTS or len(np.unique(attempts.is_correct[known])) < 2:
        raise TooLittleToFit(
            f"{learners:,} learners with {int(known.sum()):,} attempts (without hints, of learners that are not held"
            f" out); a fit takes {FEWEST_LEARNERS} learners, {FEWEST_ATTEMPTS} attempts, right and wrong answers"
        )
    ease = np.zeros(len(attempts))
    seen = seen_by_fold(attempts, known & first_attempts(attempts), ease, level=0.0)
    fading_days = _fading_days(attempts, known, seen)
    penalty = _penalty(attempts, known, seen, fading_days)
    coefficients, logits, _ = _coefficients(attempts, known, seen, fading_days, penalty)
    ease = logits - sum(coefficients[name] * getattr(seen, name) for name in _DIFFICULTIES)
    level = float(ease[known].mean())
    seen = seen_by_fold(attempts, known, ease, level)
    coefficients, logits, by_name = _coefficients(attempts, known, seen, fading_days, penalty)
    coefficients |= _interval(attempts, known, seen, coefficients, logits, by_name)
    coefficients["fading_days"] = fading_days
    difficulties = estimate(attempts, known, ease).table(attempts, level)
    times = attempts.at[known]
    return Model(
        version=_version(fitted_on, coefficients, difficulties["difficulty"].to_numpy()),
        coefficients=coefficients,
        difficulties=difficulties,
        fitted_on=fitted_on,
        fitted_attempts=int(known.sum()),
        first_attempt_on=date_of(times.min()),
        last_attempt_on=date_of(times.max()),
    )


def first_attempts(attempts: Attempts) -> Mask:
    """Which attempts are the learner's first at the question."""
    pair = attempts.learner * len(attempts.question_ids) + attempts.question
    is_first = np.zeros(len(attempts), dtype=np.bool_)
    is_first[np.unique(pair, return_index=True)[1]] = True
    return is_first


def _some_learners(attempts: Attempts, most: int) -> Mask:
    """The attempts of learners, first by hash, who together made no more than so many; who made too many has none."""
    hashes = np.array([hashlib.md5(f"fit {id_}".encode()).hexdigest() for id_ in attempts.learner_ids])
    order = np.argsort(hashes)
    sizes = np.bincount(attempts.learner, minlength=len(hashes))
    taken = np.zeros(len(hashes), dtype=np.bool_)
    room = most
    for learner in order:
        if sizes[learner] <= room:
            taken[learner] = True
            room -= sizes[learner]
    return taken[attempts.learner]


def _fading_days(attempts: Attempts, known: Mask, seen: Seen) -> float:
    """The time scale of forgetting under which some of the learners' answers are most probable."""
    few = _some_learners(attempts, _FEW_ATTEMPTS)
    attempts, known = attempts.of(few), known[few]
    seen = Seen(**{field.name: getattr(seen, field.name)[few] for field in fields(Seen)})
    if len(np.unique(attempts.is_correct[known])) < 2:
        return FADING_DAYS[0]
    answers = attempts.is_correct[known]

    def missed(days: float) -> float:
        _, logits, _ = _coefficients(attempts, known, seen, days, _PENALTY)
        return float(np.logaddexp(0, np.where(answers, -logits[known], logits[known])).sum())

    return min(FADING_DAYS, key=missed)


def _coefficients(
    attempts: Attempts, known: Mask, seen: Seen, fading_days: float, penalty: float
) -> tuple[dict[str, float], Floats, Mapping[str, Floats]]:
    """Fit the coefficients; returns them, the logit of every attempt, and the features."""
    by_name = features(attempts, seen, fading_days)
    least = _least_spreads(by_name)
    # Nobody gets better by not practising: where a fit says so, time tells nothing, and the rest is fitted without it.
    names = list(by_name)
    while True:
        columns, spreads = [by_name[name] for name in names], [least[name] for name in names]
        coefficients = _regression(attempts, known, columns, spreads, penalty)
        worst = max(FADING, key=lambda name: coefficients[names.index(name)] if name in names else -np.inf)
        if worst not in names or coefficients[names.index(worst)] <= 0:
            break
        names.remove(worst)
    found = {
        "intercept": coefficients[-1],
        **dict.fromkeys(by_name, 0.0),
        **dict(zip(names, coefficients, strict=False)),
    }
    logits = np.full(len(attempts), found["intercept"])
    for name, values in by_name.items():
        logits += found[name] * values
    return found, logits, by_name


def _penalty(attempts: Attempts, known: Mask, seen: Seen, fading_days: float) -> float:
    """How much coefficients are drawn to 0: with few attempts, as serves learners of the other parts best."""
    if known.sum() >= _FEW_ATTEMPTS:
        return _PENALTY
    answers, folds = attempts.is_correct[known], attempts.fold[known]
    by_name = features(attempts, seen, fading_days)
    matrix, _, _ = _standardized([values[known] for values in by_name.values()], list(_least_spreads(by_name).values()))
    parts = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    parts = [(rest, part) for rest, part in parts if len(part) and len(np.unique(answers[rest])) == 2]

    def missed(penalty: float) -> float:
        lost = 0.0
        for rest, part in parts:
            model = LogisticRegression(C=penalty, solver="newton-cholesky").fit(matrix[rest], answers[rest])
            logits = model.decision_function(matrix[part])
            lost += float(np.logaddexp(0, np.where(answers[part], -logits, logits)).sum())
        return lost

    return min(_PENALTIES, key=missed)


def _least_spreads(names: Iterable[str]) -> dict[str, float]:
    return {name: _LEAST_SPREAD_OF_TIME if name in FADING else _LEAST_SPREAD for name in names}


def _regression(
    attempts: Attempts, known: Mask, columns: Sequence[Floats], least: Sequence[float], penalty: float
) -> list[float]:
    """The coefficients of a logistic regression on standardized columns, in the columns' units; the intercept last."""
    matrix, mean, spread = _standardized([values[known] for values in columns], least)
    model = LogisticRegression(C=penalty, solver="newton-cholesky").fit(matrix, attempts.is_correct[known])
    coefficients = model.coef_[0] / spread
    return [*(float(value) for value in coefficients), float(model.intercept_[0] - coefficients @ mean)]


def _standardized(columns: Sequence[Floats], least: Sequence[float]) -> tuple[Floats, Floats, Floats]:
    """Columns with mean 0, by their standard deviations or by what they are at least taken for; the means, those."""
    matrix = np.column_stack(columns)
    mean, spread = matrix.mean(axis=0), np.maximum(matrix.std(axis=0), least)
    return (matrix - mean) / spread, mean, spread


def _interval(
    attempts: Attempts,
    known: Mask,
    seen: Seen,
    coefficients: Mapping[str, float],
    logits: Floats,
    by_name: Mapping[str, Floats],
) -> dict[str, float]:
    """How far, in logits, the truth lies from what is predicted, by what is known of the learner at the topic.

    If predictions for two answers miss in the same direction more often than chance makes them, the prediction before
    both was off: with the misses r1, r2 (answer less probability) and a true logit that lies x from the predicted one,
    E(r1 r2) = p1 (1 - p1) p2 (1 - p2) x^2 to first order, where the second prediction is made from what was known
    before the first answer. The mean of x^2 is fitted by least squares as (variance + newness / (1 + evidence)) *
    `stretch`: some of it goes as evidence comes, some stays, since no model knows all that moves a learner. Each pair
    is weighted by its own chance: r1 r2 varies by p1 (1 - p1) p2 (1 - p2). What is usual stands in for what few
    attempts cannot tell.
    """
    columns: list[Floats] = []
    misses: list[Floats] = []
    by_difficulty = (
        coefficients["question_difficulty"] + coefficients["difficulty_of_strong"] * by_name["learner_all_strength"]
    )
    evidence = 4 * topic_information(attempts, seen)
    for first, second in _neighbours(attempts, known, by_name):
        harder = seen.question_difficulty[second] - seen.question_difficulty[first]
        p1 = 1 / (1 + np.exp(-logits[first]))
        p2 = 1 / (1 + np.exp(-(logits[first] + by_difficulty[first] * harder)))
        chance = np.sqrt(p1 * (1 - p1) * p2 * (1 - p2))
        misses.append((attempts.is_correct[first] - p1) * (attempts.is_correct[second] - p2) / chance)
        weight = chance * stretch(logits[first])
        columns.append(np.column_stack([weight, weight / (1 + evidence[first])]))
    weights, missed = np.concatenate(columns), np.concatenate(misses)
    usual = np.diag(np.sqrt(_USUAL_PAIRS * np.square(weights).mean(axis=0))) if len(missed) else np.eye(2)
    variance, newness = nnls(np.vstack([weights, usual]), np.concatenate([missed, usual @ _USUAL_INTERVAL]))[0]
    return {"interval_variance": max(float(variance), _LEAST_VARIANCE), "interval_newness": float(newness)}


def stretch(logits: Floats) -> Floats:
    """By how much an interval's variance grows towards the ends of the scale, where answers tell little of the logit.

    It is 1 / sqrt(4 p (1 - p)), up to the probability of 4 logits.
    """
    stretched: Floats = np.cosh(np.minimum(np.abs(logits), MOST_STRETCHED) / 2)
    return stretched


def _neighbours(attempts: Attempts, known: Mask, by_name: Mapping[str, Floats]) -> Iterator[tuple[Ints, Ints]]:
    """Attempts of a learner at a topic that follow each other closely, both at questions new to the learner."""
    pair = attempts.learner * len(attempts.topic_ids) + attempts.topic
    order = np.argsort(pair, kind="stable")
    usable = known & (by_name["question_attempts"] == 0)
    for steps in range(1, _NEIGHBOURS + 1):
        first, second = order[:-steps], order[steps:]
        chosen = (pair[first] == pair[second]) & usable[first] & usable[second]
        yield first[chosen], second[chosen]


def _version(fitted_on: date, coefficients: Mapping[str, float], difficulties: Floats) -> str:
    """The date, and what tells two fits of a date apart."""
    content = repr(sorted((name, round(value, 9)) for name, value in coefficients.items())) + repr(
        [round(float(value), 9) for value in difficulties]
    )
    return f"{fitted_on}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
