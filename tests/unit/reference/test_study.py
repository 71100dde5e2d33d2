"""Attempts, days and topics of the study system."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.reference.extract import (
    BEN,
    D1,
    D2,
    D3,
    D4,
    Q2,
    S1,
    S2,
    T1,
    T2,
    T3,
    Extract,
    uid,
)

# --- attempts -------------------------------------------------------------------------------------------------------


def test_attempts_are_numbered_over_sessions_in_time_order(extract: Extract) -> None:
    extract.study("question_submit", f"{D2}T22:00:00Z", session=None, day=D2, number=101, is_correct=False)
    extract.study("question_submit", "10:00:00", session=S1, day=D3, number=102, attempt_number=5)
    extract.study("question_submit", "10:00:00", session=S2, number=103, user=BEN)
    first = extract.one("question_attempts", attempt_id=uid(102))
    second = extract.one("question_attempts", attempt_id=uid(101))
    assert (first["attempt_number"], first["is_first_attempt"], first["days_since_last_attempt"]) == (1, True, None)
    assert (first["reported_attempt_number"], first["reported_is_first_attempt"]) == (5, None)
    assert (second["attempt_number"], second["days_since_last_attempt"]) == (2, Decimal("1.5"))
    assert second["session_id"] == f"derived-{uid(101)}"
    assert extract.one("question_attempts", attempt_id=uid(103))["attempt_number"] == 1


def test_attempts_at_one_instant_are_ordered_by_id(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=9)
    extract.study("question_submit", "10:00:00", number=8)
    assert extract.one("question_attempts", attempt_id=uid(8))["attempt_number"] == 1
    assert extract.one("question_attempts", attempt_id=uid(9))["days_since_last_attempt"] == 0


def test_a_hint_counts_for_the_next_attempt_in_its_session(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", number=100)
    extract.study("question_submit", "10:01:00", number=101)
    extract.study("question_submit", "10:02:00", number=102)
    extract.study("ai_hint_requested", "10:03:00", number=103, session=S2)
    extract.study("question_submit", "10:04:00", number=104)
    extract.study("ai_hint_requested", "10:05:00", number=105, user=BEN)
    extract.study("ai_hint_requested", "10:05:00", number=106, question_id=Q2)
    extract.study("question_submit", "10:06:00", number=107)
    extract.study("question_submit", "10:07:00", number=108, hint_used=True)
    extract.study("ai_hint_requested", "10:08:00", number=110)
    extract.study("question_submit", "10:08:00", number=109, hint_used=False)  # the hint follows by its id
    extract.study("question_submit", "10:09:00", number=111, hint_used=False)
    hints = {row["attempt_id"]: row["hint_used"] for row in extract.marts()["question_attempts"]}
    used = {number for number in (101, 102, 104, 107, 108, 109, 111) if hints[uid(number)]}
    assert used == {101, 108, 111}


def test_an_attempt_elsewhere_ends_the_reach_of_a_hint_and_of_an_explanation(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", session=S1)
    extract.study("question_submit", "10:01:00", session=S2, number=101)
    extract.study("question_submit", "10:02:00", session=S1, number=102)
    extract.study("question_submit", "10:03:00", session=S2, number=103)
    extract.study("ai_explanation_requested", "10:04:00", session=S1)
    rows = {row["attempt_id"]: row for row in extract.marts()["question_attempts"]}
    assert not any(row["hint_used"] or row["explanation_viewed"] for row in rows.values())


def test_an_explanation_counts_for_the_attempt_before_it(extract: Extract) -> None:
    extract.study("ai_explanation_requested", "10:00:00")
    extract.study("question_submit", "10:01:00", number=101)
    extract.study("ai_explanation_requested", "10:02:00")
    extract.study("question_submit", "10:03:00", number=102)
    rows = {row["attempt_id"]: row["explanation_viewed"] for row in extract.marts()["question_attempts"]}
    assert rows == {uid(101): True, uid(102): False}


def test_hints_without_a_session_count_within_the_derived_session(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", session=None)
    extract.study("question_submit", "10:30:00", session=None, number=101)
    extract.study("ai_hint_requested", "10:40:00", session=None)
    extract.study("question_submit", "11:10:00.000001", session=None, number=102)
    rows = {row["attempt_id"]: row["hint_used"] for row in extract.marts()["question_attempts"]}
    assert rows == {uid(101): True, uid(102): False}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("B", "B"),
        ("x" * 64, "x" * 64),
        ("x" * 65, hashlib.sha256(b"x" * 65).hexdigest()),
        (3, "3"),
        (True, "true"),
        ([1, 2], hashlib.sha256(b"[1,2]").hexdigest()),
        (None, None),
    ],
)
def test_answers(extract: Extract, answer: Any, text: str | None) -> None:
    extract.study("question_submit", "10:00:00", selected_answer=answer)
    (row,) = extract.marts()["question_attempts"]
    assert row["selected_answer"] == text


# --- days and topics ------------------------------------------------------------------------------------------------


def test_streaks_run_over_active_days_and_end_at_inactive_ones(extract: Extract) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("question_view", f"{D2}T23:59:59.999999Z")
    extract.study("xp_earned", f"{D3}T10:00:00Z", day=D3, xp_amount=1)
    extract.study("question_view", f"{D4}T00:00:00Z", day=D3)
    days = {row["date"]: (row["is_active_day"], row["streak_days"]) for row in extract.marts()["daily_user_stats"]}
    assert days == {D1: (True, 1), D2: (True, 2), D3: (False, 0), D4: (True, 1)}


def test_a_late_event_joins_two_streaks(extract: Extract) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("question_view", f"{D3}T10:00:00Z", day=D3)
    assert extract.one("daily_user_stats", date=D3)["streak_days"] == 1
    extract.study("question_view", f"{D2}T10:00:00Z", day=D4)
    assert extract.one("daily_user_stats", date=D3)["streak_days"] == 3


def test_daily_counts(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", topic_id=T1)
    extract.study("question_submit", "10:01:00", topic_id=T2, is_correct=False)
    extract.study("question_submit", "10:02:00", topic_id=T2, question_id=Q2, is_correct=False)
    extract.study("ai_question_asked", "10:03:00", detected_topics=[T3])
    extract.study("xp_earned", "10:04:00", topic_id=T3, xp_amount=7)
    extract.study("quiz_complete", "10:05:00", quiz_id="q")
    extract.study("ai_hint_requested", "10:06:00")
    (row,) = extract.marts()["daily_user_stats"]
    assert (row["questions_attempted"], row["questions_correct"], row["first_attempts"]) == (3, 1, 2)
    assert row["accuracy"] == Decimal("0.333333333")
    # Neither a detected topic nor the topic of an event that is no learning is studied.
    assert (row["topics_studied"], row["ai_interactions"], row["quizzes_completed"]) == (2, 1, 1)
    assert (row["xp_earned"], row["hints_requested"], row["searches"]) == (7, 1, 0)


def test_an_ai_question_is_an_event_on_each_distinct_topic(extract: Extract) -> None:
    extract.study("ai_question_asked", "10:00:00", topic_id=T1, detected_topics=[T2, T1, T2.upper()], user=BEN)
    extract.study("question_submit", "10:00:00", topic_id=T1, time_to_answer_seconds=1)
    extract.study("question_submit", "10:01:00", topic_id=T1, time_to_answer_seconds=2, is_correct=False)
    extract.study("question_submit", "10:01:00", topic_id=T1, question_id=Q2)
    rows = {row["topic_id"]: row for row in extract.marts()["topic_daily_stats"]}
    assert rows.keys() == {T1, T2}
    assert (rows[T1]["ai_questions"], rows[T1]["users"], rows[T2]["ai_questions"], rows[T2]["users"]) == (1, 2, 1, 1)
    assert (rows[T1]["questions_attempted"], rows[T1]["accuracy"]) == (3, Decimal("0.666666667"))
    assert (rows[T1]["first_attempt_accuracy"], rows[T1]["median_time_to_answer_seconds"]) == (1, Decimal("1.5"))
    assert (rows[T1]["hint_rate"], rows[T2]["hint_rate"], rows[T2]["accuracy"]) == (0, None, None)


def test_an_event_without_learning_makes_a_topic_day_too(extract: Extract) -> None:
    extract.study("streak_continued", "10:00:00", topic_id=T1)
    (row,) = extract.marts()["topic_daily_stats"]
    assert (row["topic_id"], row["users"], row["questions_attempted"]) == (T1, 1, 0)
