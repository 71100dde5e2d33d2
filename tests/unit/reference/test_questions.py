"""What events tell of questions, of the AI coach and of the search."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.reference.marts.questions import earlier_shares, pearson
from tests.unit.reference.extract import ANN, BEN, D1, D2, Q1, Q2, Q3, S2, T1, T2, T3, Extract, uid

OTHERS = [uid(number) for number in range(61, 67)]


# --- questions ------------------------------------------------------------------------------------------------------


def test_the_share_correct_leans_on_the_topic(extract: Extract) -> None:
    """First attempts on T1: Q1 right and wrong, Q2 right: m = 2 / 3. Q1: (1 + 10 x 2/3) / (2 + 10) = 23 / 36.

    Q2: (1 + 10 x 2/3) / (1 + 10) = 23 / 33. A second attempt counts as an attempt only.
    """
    extract.study("question_submit", "10:00:00", user=ANN, question_id=Q1)
    extract.study("question_submit", "10:00:00", user=BEN, question_id=Q1, is_correct=False)
    extract.study("question_submit", "11:00:00", user=BEN, question_id=Q1, hint_used=True)
    extract.study("question_submit", "10:00:00", user=ANN, question_id=Q2)
    extract.study("question_submit", "10:00:00", user=ANN, question_id=Q3, topic_id=T2, is_correct=False)
    first, second, third = extract.marts()["question_stats"]
    assert (first["attempts"], first["first_attempts"]) == (3, 2)
    assert (first["p_correct_first"], second["p_correct_first"]) == (Decimal("0.638888889"), Decimal("0.696969697"))
    assert (third["p_correct_first"], third["topic_id"]) == (0, T2)
    assert (first["hint_rate"], first["model_difficulty"]) == (Decimal("0.333333333"), None)


def test_the_topic_is_that_of_the_newest_snapshot_or_of_the_earliest_attempt(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", user=ANN, question_id=Q1, topic_id=T1)
    extract.study("question_submit", "09:00:00", user=BEN, question_id=Q1, topic_id=T2)
    assert extract.one("question_stats")["topic_id"] == T2
    extract.questions_on(D1, Q1=T3)
    assert extract.one("question_stats")["topic_id"] == T3
    extract.questions_on(D2, Q1=T1, Q2=T1)
    assert extract.one("question_stats")["topic_id"] == T1
    extract.questions_on(D2.replace(day=9), Q2=T1)  # the newest snapshot does not hold it
    assert extract.one("question_stats")["topic_id"] == T2


def test_times_are_cut_and_capped_before_the_median(extract: Extract) -> None:
    """7.9, 12.999999 and 5000 s become 7, 12 and 3600; with another 3600.5 the median is (12 + 3600) / 2 = 1806."""
    for minute, time in enumerate((7.9, 12.999999, 5000, None)):
        extract.study("question_submit", f"10:0{minute}:00", time_to_answer_seconds=time)
    assert extract.one("question_stats")["median_time_to_answer_seconds"] == 12
    extract.study("question_submit", "10:05:00", time_to_answer_seconds=3600.5)
    assert extract.one("question_stats")["median_time_to_answer_seconds"] == 1806


def test_a_median_of_no_time_is_null(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00")
    assert extract.one("question_stats")["median_time_to_answer_seconds"] is None


def test_pearson_by_hand() -> None:
    """With x = 00000 11111 and y = 00011 01111: n = 10, sums 5 and 6, of xy 4.

    (10 x 4 - 5 x 6) / sqrt((10 x 5 - 25)(10 x 6 - 36)) = 10 / sqrt(600) = 1 / sqrt(6).
    """
    pairs = list(zip([0] * 5 + [1] * 5, map(Fraction, [0, 0, 0, 1, 1, 0, 1, 1, 1, 1]), strict=True))
    assert pearson(pairs) == Decimal("0.408248290")
    assert pearson([(x, -y / 7) for x, y in pairs]) == Decimal("-0.408248290")
    assert pearson([(1, y) for _, y in pairs]) is None
    assert pearson([(x, Fraction(1, 7)) for x, _ in pairs]) is None


def test_pearson_of_fractions_is_right_to_its_last_place() -> None:
    """0.17505320521 with exact fractions; shares of whole billionths made it 0.175053207, here as in the SQL."""
    correct = (1, 0, 1, 0, 0, 1, 1, 1, 1, 1)
    shares = ("2/7", "4/7", "5/7", "3/10", "4/7", "2/3", "3/5", "4/7", "3/7", "7/15")
    assert pearson(list(zip(correct, map(Fraction, shares), strict=True))) == Decimal("0.175053205")


def answer(extract: Extract, learner: int, rights: str, last: bool) -> None:
    """First attempts at other questions, one a letter (`r`ight or `w`rong), and then one at Q1."""
    for index, right in enumerate(rights):
        extract.study(
            "question_submit",
            f"10:0{index}:00",
            user=uid(100 + learner),
            question_id=OTHERS[index],
            is_correct=right == "r",
        )
    extract.study("question_submit", "11:00:00", user=uid(100 + learner), question_id=Q1, is_correct=last)


def test_discrimination_takes_learners_with_five_earlier_first_attempts_and_ten_of_them(extract: Extract) -> None:
    """The pairs of the test above: all right is a share of 1, all wrong one of 0. An eleventh learner has four only."""
    ys = [0, 0, 0, 1, 1, 0, 1, 1, 1, 1]
    answer(extract, 11, "rrrr", last=False)
    for learner, y in enumerate(ys[:9]):
        answer(extract, learner, "rrrrr" if y else "wwwww", last=learner >= 5)
    assert extract.one("question_stats", question_id=Q1)["discrimination"] is None
    answer(extract, 9, "rrrrr", last=True)
    # Repeats at any question change nothing: only first attempts count.
    extract.study("question_submit", "10:30:00", user=uid(100), question_id=OTHERS[0])
    extract.study("question_submit", "11:30:00", user=uid(100), question_id=Q1)
    assert extract.one("question_stats", question_id=Q1)["discrimination"] == Decimal("0.408248290")


def test_shares_are_exact_and_ties_go_by_id(extract: Extract) -> None:
    """After 2 of 6: 1 / 3; after 2 of 7 (two at one instant count by id): 2 / 7."""
    for index, right in enumerate("rrwwww"):
        extract.study("question_submit", f"10:0{index}:00", question_id=OTHERS[index], is_correct=right == "r")
    seventh = extract.study("question_submit", "11:00:00", number=8001, question_id=Q1, is_correct=False)
    eighth = extract.study("question_submit", "11:00:00", number=8002, question_id=Q2)
    attempts = sorted(extract.marts()["question_attempts"], key=lambda row: (row["attempted_at"], row["attempt_id"]))
    shares = earlier_shares(attempts)
    assert (shares[seventh], shares[eighth]) == (Fraction(1, 3), Fraction(2, 7))
    assert len(shares) == 3  # the sixth has five earlier ones


# --- the coach ------------------------------------------------------------------------------------------------------


def test_a_day_of_the_coach(extract: Extract) -> None:
    """Response times 100, 200, 300.5: median 200; the 95th percentile lies 0.9 of the way from 200 to 300.5: 290.45."""
    extract.study("ai_question_asked", "10:00:00")
    for time, tokens in ((100, 5), (300.5, None), (200, 7), (None, 1)):
        extract.study("ai_response_received", "10:00:01", response_time_ms=time, tokens_used=tokens, model_used="m")
    extract.study("ai_response_received", "10:00:02")
    extract.study("ai_feedback_positive", "10:00:03")
    extract.study("ai_feedback_negative", "10:00:03")
    extract.study("ai_feedback_negative", "10:00:04")
    row = extract.one("ai_coach_daily_stats")
    assert (row["questions"], row["responses"], row["tokens_used"]) == (1, 5, 13)
    assert (row["median_response_time_ms"], row["p95_response_time_ms"]) == (200, Decimal("290.45"))
    assert (row["positive_feedback"], row["negative_feedback"], row["hints_requested"]) == (1, 2, 0)
    assert row["hint_then_correct_rate"] is None
    models = {row["model_used"]: row for row in extract.marts()["ai_model_daily_stats"]}
    assert {name: (row["responses"], row["tokens_used"]) for name, row in models.items()} == {
        "m": (4, 13),
        "unknown": (1, 0),
    }
    assert models["unknown"]["median_response_time_ms"] is None


@pytest.mark.parametrize(
    ("when", "fields", "rate"),
    [
        (f"{D2}T00:30:00Z", {}, 1),  # exactly an hour, another day, another session
        (f"{D2}T00:30:00.000001Z", {}, 0),
        ("23:40:00", {"is_correct": False}, 0),
        ("23:40:00", {"user": BEN}, 0),
        ("23:40:00", {"question_id": Q2}, 0),
        ("23:30:00", {"number": 7999}, 1),  # at the same instant the id says who is later
        ("23:30:00", {"number": 1}, 0),
    ],
)
def test_a_hint_followed_by_a_correct_answer(extract: Extract, when: str, fields: dict[str, object], rate: int) -> None:
    extract.study("ai_hint_requested", "23:30:00", number=500)
    extract.study("question_submit", when, S2, **fields)  # type: ignore[arg-type]
    assert extract.one("ai_coach_daily_stats", date=D1)["hint_then_correct_rate"] == rate


# --- the search -----------------------------------------------------------------------------------------------------


def test_searches_by_type(extract: Extract) -> None:
    """Of three semantic searches two report a count, one of them 0: 1 / 2."""
    for count in (0, 3, None):
        extract.study("search_performed", "10:00:00", search_type="semantic", result_count=count)
    extract.study("search_performed", "10:00:00")
    rows = {row["search_type"]: row for row in extract.marts()["search_daily_stats"]}
    assert (rows["semantic"]["searches"], rows["semantic"]["zero_result_rate"]) == (3, Decimal("0.5"))
    assert (rows["unknown"]["searches"], rows["unknown"]["zero_result_rate"]) == (1, None)
    assert rows["unknown"]["click_through_rate"] == 0


@pytest.mark.parametrize(
    ("when", "session", "rate"),
    [("10:05:00", None, 1), ("10:05:00.000001", None, 0), ("10:01:00", S2, 0), ("09:59:59", None, 0)],
)
def test_a_click_is_in_the_same_session_within_five_minutes(
    extract: Extract, when: str, session: str | None, rate: int
) -> None:
    """The search belongs to a derived session."""
    extract.study("search_performed", "10:00:00", None)
    extract.study("topic_explored", when, session, topic_id=T1)
    assert extract.one("search_daily_stats")["click_through_rate"] == rate
