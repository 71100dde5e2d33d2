"""Topic mastery: predictions, states, levels and gaps of histories small enough to be worked out by hand."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.reference import Model
from tests.reference.marts import Mart
from tests.reference.marts.mastery import (
    FEATURES,
    Difficulty,
    State,
    all_prerequisites,
    attempts_by_learner,
    features_of,
    is_held_out,
    spells_of,
)
from tests.unit.reference.extract import ANN, BEN, D1, D2, D3, D4, Q1, Q2, T1, T2, T3, Extract, at, uid

D5, D6, D7 = (date(2026, 3, day) for day in (6, 7, 8))


def close(expected: float) -> Any:
    return pytest.approx(expected, rel=0, abs=1e-9)


# --- one learner, three attempts ------------------------------------------------------------------------------------

# e = 0.2 and v = 0.16 at Q1, e = 0.6 and v = 0.24 at every other question of T1.
QUESTION, TOPIC = Difficulty(math.log(4), 200_000, 160_000), Difficulty(math.log(2 / 3), 600_000, 240_000)
THREE = Model(
    version="by hand",
    coefficients={
        "intercept": -1.0,
        "topic_all_strength": 2.0,
        "learner_1_correct": 1.0,
        "topic_fading": -0.3,
        "topic_fading_of_practice": -0.1,
    },
    questions={Q1: QUESTION},
    topics={T1: TOPIC},
    interval_variance=0.140625,
    interval_newness=0.81,
    fading_days=0.5,
)


@pytest.fixture
def three(extract: Extract) -> Extract:
    """Right at Q1, wrong at Q2 with a hint half a day later, right at Q1 again a day after that."""
    extract.study("question_submit", "00:00:00", number=101, question_id=Q1)
    extract.study("question_submit", "12:00:00", number=102, question_id=Q2, is_correct=False, hint_used=True)
    extract.study("question_submit", f"{D2}T12:00:00Z", number=103, question_id=Q1, day=D2)
    return extract


def test_every_feature_of_the_third_attempt(three: Extract) -> None:
    """Of two one was right, E = 0.2 + 0.6, V = 0.16 + 0.24; the one at Q1 was right, E = 0.2, V = 0.16."""
    mine = attempts_by_learner(three.marts()["question_attempts"], THREE)[ANN]
    features = features_of(mine[:2], T1, Q1, mine[2].at, QUESTION.difficulty, TOPIC.difficulty, 0.5)
    ln2, ln3 = 0.693147181, 1.098612289
    expected = {
        "question_difficulty": 1.386294361,
        "topic_difficulty": -0.405465108,
        "learner_attempts": ln3,
        "topic_attempts": ln3,
        "question_attempts": ln2,
        "topic_hinted": ln2,
        "topic_fading": ln3,  # ln(1 + 1 day / 0.5)
        "topic_fading_of_practice": ln3 * ln3,
        "topic_pause": ln2,  # right after the previous one
        "question_pause": ln3,  # two attempts since: the previous one at Q1, and that at Q2
        "question_pause_of_strength": ln3 * 0.8 / 0.66,
        "difficulty_of_strong": 1.386294361 / 7,
        "difficulty_of_practised": 1.386294361 * ln2,
        "difficulty_of_known": 1.386294361 * ln2,
        "learner_100_correct_of_attempts": ln2 * ln3,
    }
    for level, sizes, strength in (
        ("learner", (3, 10, 30, 100, 300, "all"), 0.2 / 1.4),
        ("topic", (3, 10, "all"), 0.2 / 0.9),
    ):
        for size in sizes:
            memory = {"correct": ln2, "wrong": ln2, "strength": strength}
            expected |= {f"{level}_{size}_{name}": value for name, value in memory.items()}
    # The last attempt alone was wrong at e = 0.6; that at Q1 was right.
    expected |= {"learner_1_correct": 0, "learner_1_wrong": ln2, "learner_1_strength": -0.6 / 1.24}
    expected |= {"topic_1_correct": 0, "topic_1_wrong": ln2, "topic_1_strength": -0.6 / 0.74}
    for size in (1, "all"):
        memory = {"correct": ln2, "wrong": 0, "strength": 0.8 / 0.66}
        expected |= {f"question_{size}_{name}": value for name, value in memory.items()}
    assert features == {name: close(value) for name, value in expected.items()}
    assert features.keys() == FEATURES
    # Seven memories of the learner, four of the topic, two of the question, and 15 features beside them.
    assert len(FEATURES) == 3 * (7 + 4 + 2) + 15


def test_predictions_by_hand(three: Extract) -> None:
    """Each from what came before it.

    z1 = -1.  z2 = -1 + 2 x 0.8 / 0.66 + ln 2 - 0.3 ln 2 - 0.1 ln 2 ln 2 = 1.861400149.
    z3 = -1 + 2 x 0.2 / 0.9 + 0 - 0.3 ln 3 - 0.1 ln 3 ln 3 = -1.005834138.
    """
    rows = three.marts(model=THREE)["attempt_predictions"]
    assert [(row["attempt_id"], row["date"], row["is_correct"]) for row in rows] == [
        (uid(101), D1, True),
        (uid(102), D1, False),
        (uid(103), D2, True),
    ]
    assert [row["predicted_correct"] for row in rows] == [
        Decimal("0.268941421"),
        Decimal("0.865460063"),
        Decimal("0.267795908"),
    ]
    assert {row["model_version"] for row in rows} == {"by hand"}


def test_the_state_after_the_third_attempt_by_hand(three: Extract) -> None:
    """Two of three are right, E = 1, V = 0.56: z0 = -1 + 2 x 1 / 1.06 + ln 2 = 1.579939633.

    The slope is -0.3 - 0.1 ln 4 = -0.438629436; half a day later z = z0 + slope x ln 2 = 1.275904876. Evidence
    4 x 0.56 = 2.24 is too little. w = sqrt((0.140625 + 0.81 / 3.24) x cosh(z0 / 2)) = sqrt(0.390625 x
    1.328594208) = 0.720404131. Mastered it is not: ln(0.85 / 0.15) = 1.7346. Proficient it is for 0.5 x
    (exp((z0 - 0.847297860) / 0.438629436) - 1) = 2.15687494 days: until 5 March, 15:45:53.
    """
    row = three.marts(model=THREE)["topic_mastery_daily"][-1]
    assert (row["user_id"], row["topic_id"], row["date"], row["last_practiced_at"]) == (ANN, T1, D2, at("12:00:00", D2))
    assert (row["mastery_score"], row["recall"]) == (Decimal("0.781751889"), Decimal("0.942783032"))
    assert (row["mastery_low"], row["mastery_high"]) == (Decimal("0.522720724"), Decimal("0.921352309"))
    assert (row["evidence"], row["mastery_level"]) == (Decimal("2.24"), "unknown")
    assert (row["questions_attempted"], row["questions_correct"]) == (3, 2)
    assert (row["log_odds_at_practice"], row["log_odds_per_log_day"]) == (
        Decimal("1.579939633"),
        Decimal("-0.438629436"),
    )
    assert row["log_odds_margin"] == Decimal("1.184959348")  # 1.6448536269514722 w
    assert row["is_newest"]
    assert (row["mastered_until"], row["proficient_until"]) == (None, datetime(2026, 3, 5, 15, 45))
    assert row["reached_mastered_at"] is None


def test_as_of_tells_how_long_ago_practice_was_and_what_is_left(three: Extract) -> None:
    """36 hours after the last attempt z = 1.579939633 - 0.438629436 ln 4 = 0.971870119."""
    (row,) = three.marts("2026-03-05T00:00:00Z", model=THREE)["topic_mastery"]
    assert (row["days_since_practice"], row["accuracy"]) == (Decimal("1.5"), Decimal("0.666666667"))
    assert (row["mastery_score"], row["recall"]) == (Decimal("0.725492095"), Decimal("0.874934422"))


def test_attempts_after_as_of_count_at_once(three: Extract) -> None:
    """The last attempt, on 3 March at 12:00, counts the day before too; no time has passed since then."""
    (row,) = three.marts("2026-03-02T18:00:00Z", model=THREE)["topic_mastery"]
    assert (row["questions_attempted"], row["questions_correct"], row["days_since_practice"]) == (3, 2, 0)
    assert (row["mastery_score"], row["recall"]) == (Decimal("0.829195968"), 1)
    assert (
        three.marts("2026-03-02T18:00:00Z", model=THREE)["topic_mastery_daily"]
        == three.marts(model=THREE)["topic_mastery_daily"]
    )


def test_what_the_model_does_not_know_has_its_parents_difficulty() -> None:
    overall = Difficulty.of(0.3)
    model = Model(questions={Q1: QUESTION}, topics={T1: TOPIC}, overall=overall)
    assert model.of_question(Q1, T2) == QUESTION
    assert model.of_question(Q2, T1) == model.of_question(None, T1) == TOPIC
    assert model.of_question(Q2, T2) == model.of_topic(T2) == overall
    assert (overall.expected_millionths, overall.information_millionths) == (300_000, 210_000)
    assert Difficulty.of(0.2) == QUESTION


def test_a_question_belongs_to_the_topic_of_each_attempt_and_memories_to_the_learner(extract: Extract) -> None:
    """Q1 first on T2, then on T1; Ben's attempts are none of Ann's."""
    extract.study("question_submit", "10:00:00", topic_id=T2)
    extract.study("question_submit", "10:00:00", user=BEN)
    extract.study("question_submit", "11:00:00", topic_id=T1)
    mine = attempts_by_learner(extract.marts()["question_attempts"], Model())[ANN]
    features = features_of(mine[:1], T1, Q1, mine[1].at, 0.0, 0.0, 1.0)
    assert (features["topic_attempts"], features["topic_fading"], features["topic_all_strength"]) == (0, 0, 0)
    assert features["question_attempts"] == features["learner_attempts"] == close(math.log(2))


def test_attempts_at_one_instant_are_ordered_by_id(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=9)
    extract.study("question_submit", "10:00:00", number=8, is_correct=False)
    rows = {row["attempt_id"]: row for row in extract.marts(model=LAST_ANSWER)["attempt_predictions"]}
    assert rows[uid(8)]["predicted_correct"] == rows[uid(9)]["predicted_correct"] == WRONG
    extract.study("question_submit", "10:00:00", number=10)
    rows = {row["attempt_id"]: row for row in extract.marts(model=LAST_ANSWER)["attempt_predictions"]}
    assert rows[uid(10)]["predicted_correct"] == RIGHT


def test_learners_are_held_out_by_their_hash() -> None:
    """md5("a") begins with 0cc175b9 = 214005177, md5("b") with 92eb5ffe = 2464899070."""
    assert [is_held_out(user_id) for user_id in ("a", "b")] == [False, True]


def test_the_model_tells_of_questions_that_it_knows(three: Extract) -> None:
    rows = {row["question_id"]: row["model_difficulty"] for row in three.marts(model=THREE)["question_stats"]}
    assert rows == {Q1: close(1.386294361), Q2: None}


# --- levels ---------------------------------------------------------------------------------------------------------

# After a right answer z0 = 3, after a wrong one z0 = -1; every attempt counts 1, and the interval is narrow. z falls by
# ln(1 + days): mastered for exp(3 - ln(0.85 / 0.15)) - 1 = 2.5445 days, proficient for exp(3 - ln(0.7 / 0.3)) - 1 =
# 7.6081 days.
LAST_ANSWER = Model(
    version="last answer",
    coefficients={"intercept": -1.0, "topic_1_correct": 4 / math.log(2), "topic_fading": -1.0},
    interval_newness=1e-4,
)
RIGHT, WRONG = Decimal("0.952574127"), Decimal("0.268941421")


def answers(extract: Extract, letters: str, day: date = D1, topic: str = T1, user: str = ANN, hour: int = 12) -> None:
    """One attempt a letter (`r`ight or `w`rong), a minute apart, from noon on."""
    for minute, letter in enumerate(letters):
        extract.study(
            "question_submit",
            f"{day}T{hour}:{minute:02}:00Z",
            user=user,
            day=day,
            topic_id=topic,
            question_id=uid(900 + minute),
            is_correct=letter == "r",
        )


@pytest.mark.parametrize(
    ("as_of", "level"),
    [
        ("2026-03-02T12:02:30Z", "mastered"),
        # 2.54451 days after 12:02 on 2 March are 01:06:05 on 5 March; the seconds are cut.
        ("2026-03-05T01:05:59.999999Z", "mastered"),
        ("2026-03-05T01:06:00Z", "proficient"),
        # 7.60809 days after it are 02:37:39 on 10 March.
        ("2026-03-10T02:36:59.999999Z", "proficient"),
        ("2026-03-10T02:37:40Z", "learning"),
    ],
)
def test_levels_end_as_time_goes_by(extract: Extract, as_of: str, level: str) -> None:
    answers(extract, "rrr")
    (row,) = extract.marts(as_of, model=LAST_ANSWER)["topic_mastery"]
    assert (row["mastery_level"], row["reached_mastered_at"]) == (level, at("12:02:00"))
    user = next(row for row in extract.marts(as_of, model=LAST_ANSWER)["user_learning_metrics"])
    assert user["topics_mastered"] == (level == "mastered")


def test_mastery_is_reached_once_there_is_evidence_and_stays_reached(extract: Extract) -> None:
    answers(extract, "rr")
    (row,) = extract.marts(model=LAST_ANSWER)["topic_mastery"]
    assert (row["mastery_level"], row["evidence"], row["reached_mastered_at"]) == ("unknown", 2, None)
    answers(extract, "rrw", hour=13)
    (row,) = extract.marts(model=LAST_ANSWER)["topic_mastery"]
    assert (row["mastery_level"], row["reached_mastered_at"]) == ("learning", at("13:00:00"))
    (row,) = extract.marts(model=LAST_ANSWER)["topic_mastery_daily"]
    assert (row["mastered_until"], row["proficient_until"]) == (None, None)


def state(z0: float, slope: float, margin: float = 0.01) -> State:
    """What a learner is worth after an attempt on 2 March, 12:00:30."""
    mart = {"attempt_id": "a", "user_id": ANN, "topic_id": T1, "question_id": Q1, "is_correct": True}
    attempts = attempts_by_learner([{**mart, "attempted_at": at("12:00:30"), "hint_used": False}], Model())[ANN]
    return State(tuple(attempts), z0, slope, margin, 1.0, Fraction(3), None)


def test_levels_end_never_or_before_they_begin() -> None:
    """36,500 days are ln 36501 = 10.5050952 at a slope of 1; proficiency begins at ln(0.7 / 0.3) = 0.8472979."""
    assert state(3, 0).mastered_until == state(3, 0).proficient_until == datetime(9999, 12, 31)
    assert state(0.8472979 + 10.5051, -1).proficient_until == datetime(9999, 12, 31)
    until = state(0.8472978 + 10.5050, -1).proficient_until
    assert until is not None
    assert 36_496 <= (until - at("12:00:30")) / timedelta(days=1) < 36_500
    assert state(0.8472, -1).proficient_until is None
    assert state(3000, -1e-3).mastered_until == datetime(9999, 12, 31)
    # It would last for 0.1 seconds: the minute it ends in is the one it begins in, and it is over before it begins.
    short = state(0.847299, -1)
    assert short.proficient_until == at("12:00:00")
    assert short.level(at("12:00:30")) == "learning"


def test_mastery_ends_with_its_lower_bound_where_that_comes_first() -> None:
    """With w = 1 the lower bound is 0.70 at z = 0.847297860 + 1.644853627 = 2.492151487.

    z = 3 is above that for exp(0.507848513) - 1 = 0.661712 days: 15 h 52 min 51.9 s.
    """
    until = state(3, -1, margin=1.644853627).mastered_until
    assert until == datetime(2026, 3, 3, 3, 53)
    assert state(2.4921, -1, margin=1.644853627).mastered_until is None
    assert state(2.4921, -1, margin=0.01).mastered_until is not None


# --- gaps -----------------------------------------------------------------------------------------------------------


def gaps(extract: Extract, as_of: str | None = None, user: str = ANN) -> Mart:
    return [row for row in extract.marts(as_of, model=LAST_ANSWER)["knowledge_gaps"] if row["user_id"] == user]


def spells(extract: Extract, as_of: str | None = None) -> list[tuple[Any, ...]]:
    names = ("topic_id", "opened_on", "resolved_on", "gap_type", "blocking_topic_id")
    return [tuple(row[name] for name in names) for row in gaps(extract, as_of)]


def test_struggling_from_the_day_of_enough_evidence_to_the_day_it_is_overcome(extract: Extract) -> None:
    """Two wrong answers tell too little; with the third, on the next day, a gap opens; the right one closes it."""
    answers(extract, "ww")
    assert gaps(extract) == []
    answers(extract, "w", D2)
    assert spells(extract) == [(T1, D2, None, "struggling", None)]
    answers(extract, "r", D4)
    assert spells(extract, "2026-03-05T00:00:00Z") == [(T1, D2, None, "struggling", None)]
    # The day is not over: it is not judged. But the score of an open gap is that at as-of, and so is its severity.
    (row,) = gaps(extract, "2026-03-05T12:30:00Z")
    assert (row["resolved_on"], row["priority"], row["evidence"]) == (None, 1, 4)
    assert row["mastery_score"] > Decimal("0.85")
    assert row["severity"] == 0
    assert spells(extract) == [(T1, D2, D4, "struggling", None)]
    (row,) = gaps(extract)
    # At the end of 4 March, 36 hours after the last attempt: z = -1 - ln 2.5, p = 1 / (1 + 2.5 e).
    assert (row["priority"], row["evidence"]) == (None, 3)
    assert float(row["mastery_score"]) == close(1 / (1 + 2.5 * math.e))
    assert float(row["severity"]) == pytest.approx((0.85 - 1 / (1 + 2.5 * math.e)) / 0.85, abs=2e-9)


def test_attempts_that_tell_little_are_no_evidence(extract: Extract) -> None:
    """Everybody gets these right: v = 0.0099, so that ten attempts make 0.396."""
    answers(extract, "w" * 10)
    easy = Model(coefficients=LAST_ANSWER.coefficients, overall=Difficulty.of(0.99), interval_newness=1e-4)
    marts = extract.marts(model=easy)
    assert marts["knowledge_gaps"] == []
    assert (marts["topic_mastery"][0]["evidence"], marts["topic_mastery"][0]["mastery_level"]) == (
        Decimal("0.396"),
        "unknown",
    )


def test_a_day_that_ends_well_is_no_gap(extract: Extract) -> None:
    answers(extract, "wwwr")
    assert gaps(extract) == []
    answers(extract, "w", D2)
    answers(extract, "r", D2, hour=13)
    answers(extract, "w", D3)
    # That it was mastered before and is no longer: struggling, as it was wrong when last practised.
    assert spells(extract) == [(T1, D3, None, "struggling", None)]


def test_an_attempt_at_midnight_belongs_to_the_day_that_begins(extract: Extract) -> None:
    answers(extract, "ww")
    extract.study("question_submit", f"{D2}T00:00:00Z", day=D2, is_correct=False)
    assert [row["opened_on"] for row in gaps(extract)] == [D2]


def test_forgotten_once_mastery_has_faded(extract: Extract) -> None:
    """Mastered until 5 March, 01:06: at the end of the 4th still, at the end of the 5th no longer."""
    answers(extract, "rrr")
    assert spells(extract, "2026-03-05T23:59:59Z") == []
    assert spells(extract, "2026-03-06T00:00:00Z") == [(T1, D4, None, "forgotten", None)]
    # Proficient it was, but less than mastered: that is no gap until it is less than proficient.
    (row,) = gaps(extract, "2026-03-06T00:00:00Z")
    assert Decimal("0.7") < row["mastery_score"] < Decimal("0.85")
    answers(extract, "r", D6)
    answers(extract, "w", date(2026, 3, 10))
    assert spells(extract) == [
        (T1, D4, D6, "forgotten", None),
        (T1, date(2026, 3, 10), None, "struggling", None),
    ]


def test_what_was_proficient_only_is_a_gap_when_that_has_faded(extract: Extract) -> None:
    """z0 = 1.5 is 0.8176: proficient for exp(1.5 - 0.847297860) - 1 = 0.9207 days, never mastered."""
    answers(extract, "rrr")
    model = Model(
        coefficients={**LAST_ANSWER.coefficients, "topic_1_correct": 2.5 / math.log(2)}, interval_newness=1e-4
    )
    marts = extract.marts("2026-03-04T00:00:00Z", model=model)
    (daily,) = marts["topic_mastery_daily"]
    assert (daily["mastery_level"], daily["reached_mastered_at"]) == ("proficient", None)
    (row,) = marts["knowledge_gaps"]
    assert (row["opened_on"], row["gap_type"]) == (D2, "struggling")


@pytest.mark.parametrize(
    ("first", "second", "gap_type"),
    [
        ("w" * 5, "w" * 5, "wheel_spinning"),
        ("w" * 5, "w" * 4, "struggling"),
        ("w" * 10, "", "struggling"),
        ("rrr" + "w" * 5, "w" * 5, "struggling"),  # it was mastered once
        ("rr" + "w" * 5, "w" * 5, "wheel_spinning"),  # too little evidence to call it mastered
    ],
)
def test_wheel_spinning_takes_ten_attempts_on_two_days(
    extract: Extract, first: str, second: str, gap_type: str
) -> None:
    answers(extract, first)
    answers(extract, second, D2)
    assert [row["gap_type"] for row in gaps(extract)] == [gap_type]


def test_blocked_by_a_direct_prerequisite_while_that_is_a_gap(extract: Extract) -> None:
    extract.prerequisites_on(D1, (T2, T1), (T3, T2))
    answers(extract, "www", D1, T1)
    answers(extract, "www", D2, T2)
    answers(extract, "www", D2, T3)
    assert spells(extract) == [
        (T1, D1, None, "struggling", None),
        (T2, D2, None, "blocked", T1),
        (T3, D2, None, "blocked", T2),
    ]
    answers(extract, "r", D3, T2)
    # T1 is a prerequisite of T3 by way of T2 alone, which is none that is a gap.
    assert spells(extract) == [
        (T1, D1, None, "struggling", None),
        # Told on its last gap day.
        (T2, D2, D3, "blocked", T1),
        (T3, D2, None, "struggling", None),
    ]
    assert {row["topic_id"]: row["priority"] for row in gaps(extract)} == {T1: 1, T2: None, T3: 2}


def test_a_gap_of_another_learner_blocks_nothing(extract: Extract) -> None:
    extract.prerequisites_on(D1, (T2, T1))
    answers(extract, "www", D1, T1, user=BEN)
    answers(extract, "www", D1, T2)
    assert spells(extract) == [(T2, D1, None, "struggling", None)]


def test_the_blocking_topic_is_the_one_that_opened_first_then_by_id(extract: Extract) -> None:
    extract.prerequisites_on(D1, (T3, T1), (T3, T2))
    answers(extract, "www", D1, T2)
    answers(extract, "www", D2, T1)
    answers(extract, "www", D2, T3)
    assert spells(extract)[2] == (T3, D2, None, "blocked", T2)
    # Overcome for a day, T2's new spell opens with T1's first: T1 it is by its age, and T1 by id if both are as old.
    answers(extract, "r", D3, T2)
    answers(extract, "w", D4, T2)
    assert spells(extract)[-1] == (T3, D2, None, "blocked", T1)
    answers(extract, "r", D3, T1)
    answers(extract, "w", D4, T1)
    assert spells(extract)[-1] == (T3, D2, None, "blocked", T1)
    assert {(row["topic_id"], row["opened_on"]): row["resolved_on"] for row in gaps(extract)} == {
        (T1, D2): D3,
        (T1, D4): None,
        (T2, D1): D3,
        (T2, D4): None,
        (T3, D2): None,
    }


def test_what_lies_on_a_cycle_blocks_nothing_there(extract: Extract) -> None:
    """T1 needs T2, T2 needs T1, and T3 needs T1 and itself: T3 alone is blocked, and comes last."""
    extract.prerequisites_on(D1, (T1, T2), (T2, T1), (T3, T1), (T3, T3))
    for topic in (T1, T2, T3):
        answers(extract, "www", D1, topic)
    assert spells(extract) == [
        (T1, D1, None, "struggling", None),
        (T2, D1, None, "struggling", None),
        (T3, D1, None, "blocked", T1),
    ]
    assert [row["priority"] for row in gaps(extract)] == [1, 2, 3]


def test_a_cycle_of_three(extract: Extract) -> None:
    extract.prerequisites_on(D1, (T1, T2), (T2, T3), (T3, T1))
    for topic in (T1, T2, T3):
        answers(extract, "www", D1, topic)
    assert {row["gap_type"] for row in gaps(extract)} == {"struggling"}
    prerequisites = {T1: {T2}, T2: {T3}, T3: {T1}}
    assert all_prerequisites(T1, prerequisites) == {T1, T2, T3}
    assert all_prerequisites(T1, {T1: {T2}, T2: {T3}}) == {T2, T3}
    assert all_prerequisites(T3, {T1: {T2}}) == set()


def test_priority_is_by_prerequisites_then_severity_then_id(extract: Extract) -> None:
    """T2 was practised last and has faded least; T3, the most severe, waits for what it needs."""
    answers(extract, "www", D2, T2)
    answers(extract, "www", D1, T1)
    answers(extract, "www", D1, T3)
    assert {row["topic_id"]: row["priority"] for row in gaps(extract)} == {T1: 1, T3: 2, T2: 3}
    extract.prerequisites_on(D1, (T1, T2))
    assert {row["topic_id"]: row["priority"] for row in gaps(extract)} == {T3: 1, T2: 2, T1: 3}
    metrics = extract.marts(model=LAST_ANSWER)["user_learning_metrics"]
    assert [(row["topics_mastered"], row["open_gaps"]) for row in metrics] == [(0, 3)]


def test_the_newest_snapshot_of_prerequisites_counts_for_the_past_too(extract: Extract) -> None:
    answers(extract, "www", D1, T1)
    answers(extract, "www", D1, T2)
    extract.prerequisites_on(D1, (T2, T1))
    assert [row["gap_type"] for row in gaps(extract)] == ["struggling", "blocked"]
    extract.prerequisites_on(D2, (T1.upper(), T2))
    assert [row["gap_type"] for row in gaps(extract)] == ["blocked", "struggling"]


def test_a_late_attempt_changes_a_spell_that_is_past(extract: Extract) -> None:
    """Wrong on the 2nd, right on the 5th; then an extract brings a right answer of the 3rd."""
    answers(extract, "www", D1)
    answers(extract, "r", D4)
    assert spells(extract) == [(T1, D1, D4, "struggling", None)]
    answers(extract, "r", D2)
    # Mastered on the 3rd, until the 6th, 01:04; the right answer of the 5th comes in time.
    assert spells(extract) == [(T1, D1, D2, "struggling", None)]
    assert spells(extract, "2026-03-08T00:00:00Z")[1:] == []
    assert spells(extract, "2026-03-09T00:00:00Z")[1:] == [(T1, D7, None, "forgotten", None)]


def test_spells_are_runs_of_days() -> None:
    assert spells_of([]) == []
    assert spells_of([D1]) == [[D1]]
    assert spells_of([D1, D2, D4, D5, D7]) == [[D1, D2], [D4, D5], [D7]]


def test_a_flipped_answer_changes_that_learners_later_predictions_only(extract: Extract) -> None:
    for user in (ANN, BEN):
        answers(extract, "rwr", user=user)
    before = extract.marts(model=LAST_ANSWER)["attempt_predictions"]
    flipped = next(row for row in extract.rows if row.payload["user_id"] == ANN and "12:01" in row.payload["event_ts"])
    flipped.payload["properties"]["is_correct"] = True
    after = extract.marts(model=LAST_ANSWER)["attempt_predictions"]
    changed = [
        (old["user_id"], old["question_id"])
        for old, new in zip(before, after, strict=True)
        if old["predicted_correct"] != new["predicted_correct"]
    ]
    assert changed == [(ANN, uid(902))]
