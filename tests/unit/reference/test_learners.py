"""What is told of a learner: weeks, totals, streaks, gamification."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.unit.reference.extract import ANN, BEN, C1, D1, D2, D3, D4, M1, S2, T1, T2, Extract

# D1 is a Monday.
NEXT_MONDAY = date(2026, 3, 9)


# --- weeks ----------------------------------------------------------------------------------------------------------


def test_a_week_counts_distinct_things_anew(extract: Extract) -> None:
    """The same material, chunk and topic on two days are one in the week; counts and sums add up."""
    for day in (D1, D4):
        extract.study("material_read", f"{day}T10:00:00Z", chunk_id=C1, time_spent_seconds=2.5)
        extract.study("material_complete", f"{day}T10:05:00Z")
        extract.study("question_submit", f"{day}T10:06:00Z", topic_id=T2, is_correct=day == D1)
    row = extract.one("weekly_user_stats")
    assert (row["week_start"], row["active_days"], row["sessions_started"]) == (D1, 2, 1)
    assert (row["materials_viewed"], row["materials_completed"], row["chunks_read"]) == (1, 1, 1)
    assert row["topics_studied"] == 2
    assert (row["reading_seconds"], row["active_seconds"]) == (5, 720)
    assert (row["questions_attempted"], row["questions_correct"], row["first_attempts"]) == (2, 1, 1)
    assert row["accuracy"] == Decimal("0.5")


@pytest.mark.parametrize("day", [D1, date(2026, 3, 8)])
def test_weeks_begin_on_mondays(extract: Extract, day: date) -> None:
    extract.study("question_view", f"{day}T12:00:00Z")
    assert extract.one("weekly_user_stats")["week_start"] == D1


def test_changes_are_from_the_week_before_once_the_week_is_complete(extract: Extract) -> None:
    """Accuracy 1 / 2, then 2 / 3: +0.166666667; attempts 2, then 3; active seconds 60, then 120."""
    for minute, correct in ((0, True), (1, False)):
        extract.study("question_submit", f"{D1}T10:0{minute}:00Z", is_correct=correct)
    for minute, correct in ((0, True), (1, False), (2, True)):
        extract.study("question_submit", f"{NEXT_MONDAY}T10:0{minute}:00Z", S2, is_correct=correct)
    complete = extract.one("weekly_user_stats", "2026-03-16T00:00:00Z", week_start=NEXT_MONDAY)
    assert complete["is_complete_week"] is True
    assert (complete["questions_attempted_change"], complete["active_seconds_change"]) == (1, 60)
    assert complete["accuracy_change"] == Decimal("0.166666667")
    early = extract.one("weekly_user_stats", "2026-03-15T23:59:59.999999Z", week_start=NEXT_MONDAY)
    assert early["is_complete_week"] is False
    assert (early["questions_attempted_change"], early["accuracy_change"]) == (None, None)
    assert extract.one("weekly_user_stats", week_start=D1)["questions_attempted_change"] is None


def test_a_week_without_a_row_breaks_the_comparison_and_a_null_accuracy_has_no_change(extract: Extract) -> None:
    extract.study("question_view", f"{D1}T10:00:00Z")
    extract.study("question_submit", f"{NEXT_MONDAY}T10:00:00Z", S2)
    extract.study("question_submit", "2026-03-23T10:00:00Z", S2)
    row = extract.one("weekly_user_stats", "2026-04-01T00:00:00Z", week_start=NEXT_MONDAY)
    assert (row["questions_attempted_change"], row["accuracy_change"]) == (1, None)
    row = extract.one("weekly_user_stats", "2026-04-01T00:00:00Z", week_start=date(2026, 3, 23))
    assert (row["questions_attempted_change"], row["active_seconds_change"]) == (None, None)


# --- totals ---------------------------------------------------------------------------------------------------------


def test_a_learner_without_learning_has_a_row(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    row = extract.one("user_learning_metrics")
    assert (row["first_active_date"], row["last_active_date"], row["usual_hour"]) == (None, None, None)
    assert (row["total_sessions"], row["total_active_days"], row["longest_streak"], row["level"]) == (1, 0, 0, 1)
    assert (row["consistency_28"], row["topics_mastered"], row["open_gaps"]) == (0, 0, 0)
    assert extract.one("user_gamification")["streak_broken_on"] is None


def test_sessions_and_their_time_are_those_of_the_sessions_user(extract: Extract) -> None:
    """Ben learns in Ann's session: the 5 minutes are Ann's, the attempt is his."""
    extract.study("question_view", "10:00:00", user=ANN)
    extract.study("question_submit", "10:05:00", user=BEN)
    ann, ben = (extract.one("user_learning_metrics", user_id=user) for user in (ANN, BEN))
    assert (ann["total_sessions"], ann["total_active_seconds"], ann["total_questions_attempted"]) == (1, 300, 0)
    assert (ben["total_sessions"], ben["total_active_seconds"], ben["total_questions_attempted"]) == (0, 0, 1)
    assert ben["median_session_minutes"] is None


def test_the_median_session_leaves_out_derived_and_active_sessions(extract: Extract) -> None:
    """Ended sessions of 1 and of 2 minutes: 1.5. The derived one of 20 minutes and the active one are left out."""
    for session, start, end in ((S2, "10:00:00", "10:01:00"), (T1, "11:00:00", "11:02:00")):
        extract.study("question_view", start, session)
        extract.study("session_end", end, session)
    extract.study("question_view", "12:00:00", None)
    extract.study("question_view", "12:20:00", None)
    extract.study("question_view", "23:40:00", M1)
    extract.study("question_view", "23:50:00", M1)
    assert extract.one("user_learning_metrics")["median_session_minutes"] == Decimal("1.5")


def test_the_usual_hour_is_the_earlier_at_a_tie_and_of_learning_alone(extract: Extract) -> None:
    for when in ("09:59:59", "21:00:00", "21:30:00", "08:00:00", f"{D2}T08:30:00Z"):
        extract.study("question_view", when)
    for _ in range(5):
        extract.study("xp_earned", "12:00:00", xp_amount=2)
    row = extract.one("user_learning_metrics")
    assert (row["usual_hour"], row["total_xp"]) == (8, 10)


def test_streaks_at_an_as_of_within_a_day(extract: Extract) -> None:
    """Active on D1, D2, D3 (a time after as-of) and D4. At D3 12:00 the last complete day is D2: a streak of 2.

    What lies at or after as-of is in first and longest, and in the count of days, but is not the last active date.
    """
    for when in (f"{D1}T10:00:00Z", f"{D2}T10:00:00Z", f"{D3}T12:00:00Z", f"{D4}T10:00:00Z"):
        extract.study("question_view", when)
    row = extract.one("user_learning_metrics", f"{D3}T12:00:00Z")
    assert (row["current_streak"], row["longest_streak"], row["total_active_days"]) == (2, 4, 4)
    assert (row["first_active_date"], row["last_active_date"], row["active_days_28"]) == (D1, D2, 2)
    assert row["consistency_28"] == Decimal("0.071428571")  # 2 / 28
    row = extract.one("user_learning_metrics", f"{D3}T12:00:00.000001Z")
    assert (row["current_streak"], row["last_active_date"]) == (2, D3)


def test_the_28_days_are_complete_ones(extract: Extract) -> None:
    """At midnight before 30 March the last complete day is the 29th, the first of the 28 is the 2nd: D1."""
    extract.study("question_view", f"{D1}T00:00:00Z")
    extract.study("question_view", "2026-03-30T00:00:00Z")
    assert extract.one("user_learning_metrics", "2026-03-30T00:00:00Z")["active_days_28"] == 1
    assert extract.one("user_learning_metrics", "2026-03-30T23:59:59Z")["active_days_28"] == 1
    assert extract.one("user_learning_metrics", "2026-03-31T00:00:00Z")["active_days_28"] == 1
    assert extract.one("user_learning_metrics", "2026-03-31T00:00:00Z")["current_streak"] == 1


# --- gamification ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("as_of", "broken"),
    [(f"{D2}T00:00:00Z", None), (f"{D2}T23:59:59.999999Z", None), (f"{D3}T00:00:00Z", D2), (f"{D4}T10:00:00Z", D2)],
)
def test_a_streak_is_broken_once_the_missed_date_is_over(extract: Extract, as_of: str, broken: date | None) -> None:
    extract.study("question_view", "10:00:00")
    row = extract.one("user_gamification", as_of)
    assert row["streak_broken_on"] == broken
    assert row["current_streak"] == (1 if as_of.startswith(str(D2)) else 0)


def test_what_the_app_reports(extract: Extract) -> None:
    """Newest by time, then id; a null states nothing. The level is the highest, not the newest."""
    extract.study("xp_earned", "10:00:00", xp_amount=5, new_total_xp=105)
    extract.study("level_up", "10:10:00", number=1, new_level=3, total_xp=300)
    extract.study("xp_earned", "10:10:00", number=2, xp_amount=5, new_total_xp=310)
    extract.study("level_up", "10:20:00", new_level=2, total_xp=None)
    extract.study("xp_earned", "10:30:00", xp_amount=1)
    for achievement in ("a", "b", "a"):
        extract.study("achievement_unlocked", "10:40:00", achievement_id=achievement)
    row = extract.one("user_gamification")
    assert (row["total_xp"], row["reported_total_xp"], row["level"], row["achievements"]) == (11, 310, 3, 2)
    assert row["last_active_date"] is None
