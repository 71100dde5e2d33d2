"""Against learners whose true probabilities are known: the demo's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest

from ingestion.demo import study
from ingestion.demo.ids import Floats, Ints
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.study import KIND
from ingestion.demo.world import build_curriculum, build_learners
from mastery.attempts import FOLDS, HELD_OUT_EVERY, Attempts
from mastery.evaluate import evaluate, predict, seen
from mastery.features import topic_information
from mastery.fit import fit, stretch
from mastery.model import Model

START_AT = 1_767_571_200_000_000  # 2026-01-05
LEARNERS, DAYS = 600, 50
TODAY = date(2026, 3, 1)


@dataclass(frozen=True)
class Class:
    attempts: Attempts
    model: Model
    ability: (
        Floats  # this and the rest by (learner, topic): the logit without practice, of a question of usual difficulty
    )
    gain: Floats
    forgetting: Floats
    practice: Floats  # right after the last attempt

    def truth(self, days: float) -> Floats:
        """The probability of a right answer so many days after the last attempt there."""
        left = self.practice * np.exp(-self.forgetting * days)
        probability: Floats = 1 / (1 + np.exp(-(self.ability + self.gain * np.log1p(left))))
        return probability


@pytest.fixture(scope="module")
def learners() -> Class:
    curriculum = build_curriculum(7)
    people = build_learners(7, LEARNERS, DAYS, curriculum)
    played = study.simulate(7, curriculum, people, START_AT, DAYS)
    events = played.events
    submits = np.flatnonzero(events["kind"] == KIND["question_submit"])
    order = submits[np.lexsort((events["at"][submits], events["learner"][submits]))]
    learner = events["learner"][order].astype(np.int64)
    attempts = Attempts(
        learner_ids=people.ids,
        topic_ids=curriculum.topic_ids,
        question_ids=[*curriculum.question_ids, "not asked yet"],
        learner=learner,
        topic=events["topic"][order].astype(np.int64),
        question=events["question"][order].astype(np.int64),
        at=events["at"][order].astype(np.int64),
        is_correct=events["flag"][order].astype(np.bool_),
        hint_used=events["other"][order].astype(np.bool_),
        is_held_out=learner % HELD_OUT_EVERY == 0,
        fold=learner // HELD_OUT_EVERY % FOLDS,
    )
    return Class(
        attempts,
        fit(attempts, TODAY),
        ability=people.ability.reshape(-1) - np.tile(curriculum.topic_difficulty, LEARNERS),
        gain=np.repeat(people.gain, curriculum.topics),
        forgetting=np.repeat(people.forgetting, curriculum.topics),
        practice=played.answers.practice,
    )


@dataclass(frozen=True)
class Asked:
    """Of learners at the topic that they practised last: a next attempt there at a question of usual difficulty."""

    predicted: Floats
    evidence: Floats
    pair: Ints  # position by (learner, topic)


def asked_after(learners: Class, days: float) -> Asked:
    attempts, model = learners.attempts, learners.model
    last = np.flatnonzero(np.append(np.diff(attempts.learner) > 0, True))
    columns = ("learner", "topic", "at", "is_correct", "is_held_out", "fold")
    asked = replace(
        attempts,
        **{name: np.insert(getattr(attempts, name), last + 1, getattr(attempts, name)[last]) for name in columns},
        question=np.insert(attempts.question, last + 1, len(attempts.question_ids) - 1),
        hint_used=np.insert(attempts.hint_used, last + 1, False),
    )
    place = last + 1 + np.arange(len(last))
    asked.at[place] += int(days * MICROSECONDS_PER_DAY)
    return Asked(
        predicted=predict(asked, model)[place],
        evidence=4 * topic_information(asked, seen(asked, model))[place],
        pair=attempts.learner[last] * len(attempts.topic_ids) + attempts.topic[last],
    )


def test_the_interval_covers_what_it_says(learners: Class) -> None:
    asked, coefficients = asked_after(learners, 0), learners.model.coefficients
    logit = np.log(asked.predicted / (1 - asked.predicted))
    variance = coefficients["interval_variance"] + coefficients["interval_newness"] / (1 + asked.evidence)
    width = np.sqrt(variance * stretch(logit))
    truth = learners.truth(0)[asked.pair]
    covered = np.abs(np.log(truth / (1 - truth)) - logit) <= 1.6448536269514722 * width
    enough = asked.evidence >= 3
    assert enough.sum() > 300
    assert 0.85 <= covered[enough].mean() <= 0.95
    assert np.corrcoef(truth[enough], asked.predicted[enough])[0, 1] > 0.8


def test_recall_falls_as_it_should(learners: Class) -> None:
    """What is left, on average, of the probability right after practice, beside what is left in truth."""
    now = asked_after(learners, 0)
    enough = now.evidence >= 3
    left = 1.0
    for days in (3, 7, 14):
        recall = (asked_after(learners, days).predicted / now.predicted)[enough].mean()
        truth = (learners.truth(days) / learners.truth(0))[now.pair][enough].mean()
        assert recall < left
        assert recall == pytest.approx(truth, abs=0.07)
        left = recall


def test_it_beats_the_naive_methods_and_is_calibrated(learners: Class) -> None:
    held_out = {f.method: f for f in evaluate(learners.attempts, [learners.model], TODAY) if f.split == "held_out"}
    for method in ("topic_average", "running_accuracy", "exponential_accuracy"):
        assert held_out["mastery"].auc > held_out[method].auc + 0.03
        assert held_out["mastery"].log_loss < held_out[method].log_loss
    assert held_out["mastery"].ece <= 0.02


def test_forgetting_is_found_and_helps(learners: Class) -> None:
    """Without a clock the same attempts are predicted less well, for learners whom the model never saw."""
    attempts = learners.attempts
    timeless = replace(attempts, at=np.arange(len(attempts), dtype=np.int64))
    loss = [
        next(f.log_loss for f in evaluate(a, [m], TODAY) if (f.method, f.split) == ("mastery", "held_out"))
        for a, m in ((attempts, learners.model), (timeless, fit(timeless, TODAY)))
    ]
    assert learners.model.coefficients["topic_fading_of_practice"] < 0
    assert loss[0] < loss[1]
