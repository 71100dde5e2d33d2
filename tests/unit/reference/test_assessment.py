"""Test sessions, visits to questions, and what sessions tell of a question."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.reference.extract import (
    ANN,
    D1,
    D2,
    D3,
    Q1,
    Q2,
    Q3,
    S1,
    S2,
    T1,
    Extract,
    at,
    instant,
)


def test_a_session_of_the_reference_stream_without_events(extract: Extract) -> None:
    extract.owned(created_at=instant("10:00:00"))
    row = extract.one("test_sessions")
    assert (row["status"], row["created_at"], row["questions_in_session"]) == ("in_progress", at("10:00:00"), 2)
    assert (row["completion_rate"], row["missing_seq"], row["clock_skew_seconds"]) == (0, 0, None)
    assert (row["duration_seconds"], row["blur_seconds"]) == (None, 0)


def test_a_session_without_questions_has_no_completion_rate(extract: Extract) -> None:
    extract.owned(questions=())
    row = extract.one("test_sessions", as_of="2030-01-01T00:00:00Z")
    assert (row["completion_rate"], row["created_at"], row["status"]) == (None, None, "in_progress")


@pytest.mark.parametrize(
    ("as_of", "status"), [("2026-03-09T11:59:59.999999Z", "in_progress"), ("2026-03-09T12:00:00Z", "abandoned")]
)
def test_a_session_is_abandoned_168_hours_after_its_last_event(extract: Extract, as_of: str, status: str) -> None:
    extract.owned(created_at=instant("10:00:00"))
    extract.test("NAVIGATE_NEXT", "12:00:00")
    assert extract.one("test_sessions", as_of)["status"] == status


def test_the_later_of_last_event_and_creation_starts_the_clock(extract: Extract) -> None:
    extract.owned(created_at=instant(f"{D3}T12:00:00Z"))
    extract.test("NAVIGATE_NEXT", "12:00:00")
    assert extract.one("test_sessions", "2026-03-09T12:00:00Z")["status"] == "in_progress"


def test_the_earlier_of_submission_and_expiry_decides(extract: Extract) -> None:
    extract.owned(created_at=instant("09:00:00"))
    extract.test("SESSION_CREATED", "10:00:00")
    extract.test("SESSION_EXPIRED", "11:00:00", number=8)
    extract.test("SESSION_SUBMITTED", "11:00:00", number=9)
    extract.test("SESSION_SUBMITTED", "12:00:00")
    extract.test("REVIEW_OPENED", "13:00:00")
    row = extract.one("test_sessions")
    assert (row["status"], row["duration_seconds"], row["created_at"]) == ("expired", 3600, at("10:00:00"))
    assert (row["submitted_at"], row["expired_at"]) == (at("11:00:00"), at("11:00:00"))
    assert row["reviewed_at"] == at("13:00:00")


def test_counts_of_a_test_session(extract: Extract) -> None:
    extract.owned(questions=(Q1, Q2, Q3))
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1, seq=3)
    extract.test("QUESTION_VIEWED", "10:01:00", question_id=Q1, seq=5)
    extract.test("ANSWER_SELECTED", "10:02:00", question_id=Q1, seq=5)
    extract.test("ANSWER_CHANGED", "10:03:00", question_id=Q1, seq=9)
    extract.test("ANSWER_CHANGED", "10:04:00", question_id=Q2)
    for when in ("10:05:00", "10:06:00", "10:07:00"):
        extract.test("MARK_FOR_REVIEW_TOGGLED", when, question_id=Q1)
    for when in ("10:05:00", "10:06:00"):
        extract.test("MARK_FOR_REVIEW_TOGGLED", when, question_id=Q2)
    row = extract.one("test_sessions")
    assert (row["questions_viewed"], row["questions_answered"], row["answers_changed"]) == (1, 2, 2)
    assert (row["marked_for_review"], row["completion_rate"]) == (1, Decimal("0.666666667"))
    assert row["missing_seq"] == 4  # of 3 to 9 there are 3, 5 and 9


def test_blur_runs_to_the_next_focus_and_a_second_blur_only_counts(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="focus")
    extract.test("PAUSE_BLUR", "10:01:00", state="blur")
    extract.test("PAUSE_BLUR", "10:02:00", state="blur")
    extract.test("PAUSE_BLUR", "10:03:00", state="focus")
    extract.test("PAUSE_BLUR", "10:10:00", state="blur")
    extract.test("SESSION_SUBMITTED", "10:11:30")
    extract.test("REVIEW_OPENED", "10:30:00")
    row = extract.one("test_sessions")
    assert (row["blur_count"], row["blur_seconds"]) == (3, 120 + 90)


def test_blur_without_focus_or_end_runs_to_the_last_event(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="blur")
    extract.test("NAVIGATE_NEXT", "10:00:07.5")
    assert extract.one("test_sessions")["blur_seconds"] == Decimal("7.5")


def test_blur_after_the_end_that_no_focus_ends_lasts_no_time(extract: Extract) -> None:
    extract.owned()
    extract.test("SESSION_SUBMITTED", "09:00:00")
    extract.test("PAUSE_BLUR", "10:00:00", state="blur")
    extract.test("NAVIGATE_NEXT", "10:00:07.5")
    row = extract.one("test_sessions")
    assert (row["blur_count"], row["blur_seconds"]) == (1, 0)


def test_seq_breaks_ties_before_the_id_and_events_without_it_come_last(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="focus", number=1)  # no seq: after the blur
    extract.test("PAUSE_BLUR", "10:00:00", state="blur", number=2, seq=7)
    extract.test("NAVIGATE_NEXT", "10:00:09", number=3)
    assert extract.one("test_sessions")["blur_seconds"] == 0
    extract.test("PAUSE_BLUR", "10:00:00", state="focus", number=4, seq=6)
    assert extract.one("test_sessions")["blur_seconds"] == 0
    extract.test("PAUSE_BLUR", "10:00:00", state="blur", number=5)  # after the focus of id 1
    assert extract.one("test_sessions")["blur_seconds"] == 9


def test_clock_skew_is_the_interpolated_median(extract: Extract) -> None:
    extract.owned()
    extract.test("NAVIGATE_NEXT", "10:00:00", client_ts=instant("09:59:58"))
    extract.test("NAVIGATE_NEXT", "10:00:00", client_ts=instant("10:00:00.000001"))
    extract.test("NAVIGATE_NEXT", "10:00:00")
    assert extract.one("test_sessions")["clock_skew_seconds"] == Decimal("0.9999995")


def test_a_batch_takes_its_server_time_from_its_reception(extract: Extract) -> None:
    extract.owned()
    events = [
        {
            "event_type": "QUESTION_VIEWED",
            "client_ts": instant("09:00:00"),
            "seq": 1,
            "session_id": S1,
            "question_id": Q1,
        },
        {
            "event_type": "PAUSE_BLUR",
            "client_ts": instant("09:01:00"),
            "seq": 2,
            "session_id": S1,
            "payload": {"state": "blur"},
        },
        {"event_type": "SESSION_SUBMITTED", "client_ts": instant("09:02:30"), "seq": 3, "session_id": S1},
    ]
    batch = {"source": "web", "user_id": ANN, "received_at": instant("10:00:00"), "events": events}
    extract.add("assessment", "batches", batch, D1, "batches.ndjson", None)
    again = {**batch, "received_at": instant("10:05:00"), "events": list(reversed(events))}
    extract.add("assessment", "batches", again, D2, "batches.ndjson", None)
    row = extract.one("test_sessions")
    assert (row["submitted_at"], row["blur_seconds"]) == (at("10:00:00"), 90)
    assert row["clock_skew_seconds"] == 3450  # 57 min 30 s for each of them
    ledger = {entry["extract_date"]: entry for entry in extract.marts()["event_ledger"] if entry["stream"] == "batches"}
    assert (ledger[D1]["rows_accepted"], ledger[D2]["rows_duplicate"], ledger[D2]["rows_late"]) == (3, 3, 0)


# --- visits ---------------------------------------------------------------------------------------------------------


def test_a_visit_lasts_to_the_next_view_and_blur_is_cut_to_it(extract: Extract) -> None:
    """Q1 is viewed 10:00:00-10:01:00 and out of sight from 10:00:50; Q2 from 10:01:00, back in sight at 10:01:10.

    So 50 s of Q1 are visible, and of the 60 s of Q2 the last 50.
    """
    extract.owned()
    first = extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1)
    extract.test("ANSWER_SELECTED", "10:00:30", question_id=Q1)
    extract.test("PAUSE_BLUR", "10:00:50", state="blur")
    second = extract.test("QUESTION_VIEWED", "10:01:00", question_id=Q2)
    extract.test("PAUSE_BLUR", "10:01:10", state="focus")
    extract.test("ANSWER_CHANGED", "10:01:30", question_id=Q1)
    extract.test("SESSION_SUBMITTED", "10:02:00")
    extract.test("ANSWER_CHANGED", "10:03:00", question_id=Q2)
    rows = {row["visit_id"]: row for row in extract.marts()["question_visits"]}
    assert (rows[first]["visible_seconds"], rows[second]["visible_seconds"]) == (50, 50)
    assert (rows[first]["is_answered"], rows[first]["is_changed"]) == (True, False)
    assert (rows[second]["is_answered"], rows[second]["ended_at"]) == (False, at("10:02:00"))


def test_a_visit_that_nothing_ends_lasts_through_the_last_event(extract: Extract) -> None:
    extract.owned()
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1)
    extract.test("ANSWER_CHANGED", "10:00:05", question_id=Q1)
    row = extract.one("question_visits")
    assert (row["visible_seconds"], row["is_answered"], row["is_changed"]) == (5, True, True)
    assert (row["user_id"], row["ended_at"]) == (ANN, at("10:00:05"))


def test_views_at_one_instant_are_told_apart_by_seq(extract: Extract) -> None:
    """The answer between them by seq belongs to the first visit, although the three share an instant."""
    extract.owned()
    second = extract.test("QUESTION_VIEWED", "10:00:00", number=1, seq=3, question_id=Q1)
    extract.test("ANSWER_SELECTED", "10:00:00", number=2, seq=2, question_id=Q1)
    first = extract.test("QUESTION_VIEWED", "10:00:00", number=3, seq=1, question_id=Q1)
    rows = {row["visit_id"]: row for row in extract.marts()["question_visits"]}
    assert (rows[first]["is_answered"], rows[second]["is_answered"]) == (True, False)
    assert (rows[first]["visible_seconds"], rows[second]["visible_seconds"]) == (0, 0)


# --- questions ------------------------------------------------------------------------------------------------------


def test_a_question_over_the_sessions_that_viewed_it(extract: Extract) -> None:
    """Three sessions view Q1. S1 answers, changes and submits; S2 skips it and submits; T1 marks it, and goes on.

    Answered 1 / 3, changed 1 / 1, marked 1 / 3 (S1 toggles twice), skipped 1 of 2 submitted ones. The visits last 7200
    (counted as 3600), 59.9 (59) and 0 s: 59 at the median. Q2 is answered without a view, and has no row.
    """
    for session in (S1, S2, T1):
        extract.owned(session)
        extract.test("QUESTION_VIEWED", "10:00:00", session_id=session, question_id=Q1)
    for event_type in ("MARK_FOR_REVIEW_TOGGLED", "ANSWER_SELECTED", "ANSWER_CHANGED", "MARK_FOR_REVIEW_TOGGLED"):
        extract.test(event_type, "10:10:00", question_id=Q1)
    extract.test("SESSION_SUBMITTED", "12:00:00")
    extract.test("SESSION_SUBMITTED", "10:00:59.9", session_id=S2)
    extract.test("ANSWER_SELECTED", "10:00:00", session_id=S2, question_id=Q2)
    extract.test("MARK_FOR_REVIEW_TOGGLED", "10:00:00", session_id=T1, question_id=Q1)
    row = extract.one("assessment_question_stats")
    assert (row["question_id"], row["sessions_viewed"]) == (Q1, 3)
    assert (row["answered_rate"], row["change_rate"]) == (Decimal("0.333333333"), 1)
    assert (row["review_mark_rate"], row["skip_rate"]) == (Decimal("0.333333333"), Decimal("0.5"))
    assert row["median_visible_seconds"] == 59


def test_rates_without_a_denominator_are_null(extract: Extract) -> None:
    """Nobody has answered, nobody has submitted: an expired session is not a submitted one."""
    extract.owned()
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1)
    extract.test("SESSION_EXPIRED", "10:00:10")
    extract.test("SESSION_SUBMITTED", "10:00:11")
    row = extract.one("assessment_question_stats")
    assert (row["answered_rate"], row["change_rate"], row["skip_rate"]) == (0, None, None)
