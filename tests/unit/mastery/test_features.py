"""The features of a hand-made history, worked out by hand."""

from datetime import datetime, timedelta
from math import log, log1p

import numpy as np
import pytest

from mastery.features import FADING, MEMORIES, Seen, features
from tests.unit.mastery.attempts_of import attempts_of

START = datetime(2026, 1, 5, 10)


@pytest.fixture
def history():
    """One learner: q1 wrong, q2 right with a hint, a day later q1 right, then q3 of another topic, then q1 again."""
    return attempts_of(
        [
            ("u", "t", "q1", START, False),
            ("u", "t", "q2", START + timedelta(minutes=1), True),
            ("u", "t", "q1", START + timedelta(days=1), True),
            ("u", "s", "q3", START + timedelta(days=2), True),
            ("u", "t", "q1", START + timedelta(days=4), True),
        ],
        hinted=frozenset({1}),
    )


@pytest.fixture
def seen():
    """An average learner gets each right with 0.8, 0.5, 0.8, 0.6, 0.8."""
    expected = np.array([800_000, 500_000, 800_000, 600_000, 800_000])
    return Seen(
        question_difficulty=np.array([-1.0, 0.5, -1.0, 0.0, -1.0]),
        topic_difficulty=np.array([-0.5, -0.5, -0.5, 0.0, -0.5]),
        expected=expected,
        information=np.array([160_000, 250_000, 160_000, 240_000, 160_000]),
    )


def test_the_first_attempt_knows_nothing_but_difficulties(history, seen) -> None:
    first = {name: values[0] for name, values in features(history, seen, 1.0).items()}
    assert first.pop("question_difficulty") == -1.0
    assert first.pop("topic_difficulty") == -0.5
    assert set(first.values()) == {0.0}


def test_memories_hold_what_came_before(history, seen) -> None:
    last = {name: values[4] for name, values in features(history, seen, 1.0).items()}
    # Of the learner: wrong at 0.8, right at 0.5, right at 0.8, right at 0.6.
    assert last["learner_all_correct"] == pytest.approx(log(4))
    assert last["learner_all_wrong"] == pytest.approx(log(2))
    assert last["learner_all_strength"] == pytest.approx((3 - 2.7) / (0.81 + 1))
    assert last["learner_3_correct"] == pytest.approx(log(4))
    assert last["learner_3_strength"] == pytest.approx((3 - 1.9) / (0.65 + 1))
    assert last["learner_1_strength"] == pytest.approx((1 - 0.6) / (0.24 + 1))
    # Of the topic: the first three.
    assert last["topic_all_strength"] == pytest.approx((2 - 2.1) / (0.57 + 0.5))
    assert last["topic_1_correct"] == pytest.approx(log(2))
    assert last["topic_1_strength"] == pytest.approx((1 - 0.8) / (0.16 + 0.5))
    # Of the question: wrong, then right, both at 0.8.
    assert last["question_all_strength"] == pytest.approx((1 - 1.6) / (0.32 + 0.5))
    assert last["question_1_wrong"] == 0.0
    counted = [last["learner_attempts"], last["topic_attempts"], last["question_attempts"]]
    assert counted == pytest.approx([log(5), log(4), log(3)])
    assert last["topic_hinted"] == pytest.approx(log(2))


def test_time_and_pauses(history, seen) -> None:
    by_name = features(history, seen, fading_days=7.0)
    assert by_name["topic_fading"].tolist() == pytest.approx(
        [0, log1p(1 / 1440 / 7), log1p((1 - 1 / 1440) / 7), 0, log1p(3 / 7)]
    )
    assert by_name["topic_fading_of_practice"][4] == pytest.approx(log1p(3 / 7) * log(4))
    # Before the last attempt at q1, the one two attempts ago; before the third, also two.
    assert by_name["question_pause"].tolist() == pytest.approx([0, 0, log(3), 0, log(3)])
    # Back at the topic after one attempt elsewhere; the others come right after one on it.
    assert by_name["topic_pause"].tolist() == pytest.approx([0, log(2), log(2), 0, log(3)])
    assert by_name["difficulty_of_known"][4] == pytest.approx(-1.0 * log(3))


def test_products(history, seen) -> None:
    last = {name: values[4] for name, values in features(history, seen, 1.0).items()}
    assert last["difficulty_of_strong"] == pytest.approx(-1.0 * (3 - 2.7) / (0.81 + 1))
    assert last["difficulty_of_practised"] == pytest.approx(-1.0 * log(3))
    assert last["learner_100_correct_of_attempts"] == pytest.approx(log(4) * log(5))
    assert last["question_pause_of_strength"] == pytest.approx(log(3) * (1 - 1.6) / (0.32 + 0.5))


def test_learners_are_apart(history, seen) -> None:
    """The same history of two learners, interleaved, has the same features twice."""
    rows = [
        (learner, "t" if question != "q3" else "s", question, START + timedelta(hours=hour), right)
        for hour, (question, right) in enumerate([("q1", False), ("q2", True), ("q1", True), ("q3", True)])
        for learner in ("u", "v")
    ]
    together = attempts_of(rows)
    both = Seen(
        *(
            np.concatenate([values[:4]] * 2)
            for values in (seen.question_difficulty, seen.topic_difficulty, seen.expected, seen.information)
        )
    )
    for values in features(together, both, 1.0).values():
        assert values[:4].tolist() == values[4:].tolist()


def test_every_feature_is_defined_once() -> None:
    """What the page of the model lists: three a memory, and fifteen beside them."""
    assert sum(len(memories) for memories, _ in MEMORIES.values()) == 13
    assert set(FADING) == {"topic_fading", "topic_fading_of_practice"}


def test_no_answer_enters_its_own_or_an_earlier_prediction(history, seen) -> None:
    changed = attempts_of(
        [
            ("u", "t", "q1", START, False),
            ("u", "t", "q2", START + timedelta(minutes=1), True),
            ("u", "t", "q1", START + timedelta(days=1), False),  # was right
            ("u", "s", "q3", START + timedelta(days=2), True),
            ("u", "t", "q1", START + timedelta(days=4), True),
        ],
        hinted=frozenset({1}),
    )
    before, after = features(history, seen, 1.0), features(changed, seen, 1.0)
    assert len(before) == 3 * 13 + 15
    for name in before:
        assert before[name][:3].tolist() == after[name][:3].tolist()
    assert before["learner_1_strength"][3] != after["learner_1_strength"][3]
