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
