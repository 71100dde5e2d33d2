"""What the rows of the extracts become: verdicts, identities, the books."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.reference import Load
from tests.reference.reading import timestamp
from tests.unit.reference.extract import (
    ANN,
    BEN,
    D1,
    D2,
    D3,
    Q1,
    Q3,
    T1,
    Extract,
)


def test_duplicates_and_conflicts_are_told_apart_by_content(extract: Extract) -> None:
    extract.study("question_attempt", "10:00:00", number=1, day=D2, question_id=Q1, topic_id=T1, is_correct=True, x=5)
    # The alias, a null member, another spelling of the instant and of a number: the same content.
    extract.study("question_submit", f"{D1} 12:00:00.0000009+02:00", number=1, day=D1, x=5.0, y=None)
    extract.study("question_submit", "10:00:00", number=1, day=D3, x=6)
    extract.study("question_submit", "10:00:00", number=1, day=D1, file="a.ndjson", reject="invalid_field")
    extract.rows[0].payload["question_id"] = extract.rows[0].payload["properties"].pop("question_id")
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"]}
    assert (rows[D1]["rows_read"], rows[D1]["rows_accepted"], rows[D1]["rejected_invalid_field"]) == (2, 1, 1)
    assert (rows[D2]["rows_duplicate"], rows[D3]["rows_conflict"], rows[D3]["rows_rejected"]) == (1, 1, 0)


def test_the_first_copy_is_found_by_date_file_and_line(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=1, file="events-9.ndjson", is_correct=True)
    extract.study("question_submit", "10:00:00", number=1, file="events-10.ndjson", is_correct=False)
    marts = extract.marts()
    assert [row["is_correct"] for row in marts["question_attempts"]] == [False]
    assert marts["event_ledger"][0]["rows_conflict"] == 1


def test_held_events_are_judged_by_the_reference_rows_now_loaded(extract: Extract) -> None:
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1)
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q3)
    extract.test("NAVIGATE_NEXT", "10:01:00", user_id=BEN, question_id=Q3)

    def ledger() -> dict[str, Any]:
        return extract.one("event_ledger", stream="events")

    assert (ledger()["rejected_unknown_session"], ledger()["rows_rejected"]) == (3, 3)
    extract.owned(day=D3)
    row = ledger()
    assert (row["rejected_unknown_session"], row["rows_accepted"], row["rejected_question_not_in_session"]) == (0, 1, 1)
    assert row["rejected_session_not_owned"] == 1
    # Another owner, in a file that comes first: the earlier reference row stays, the other is a conflict.
    extract.owned(user=BEN, day=D2, questions=())
    assert ledger()["rejected_session_not_owned"] == 2
    assert extract.one("event_ledger", stream="test_sessions", extract_date=D3)["rows_conflict"] == 1


def test_copies_are_settled_before_the_copy_that_stays_is_judged(extract: Extract) -> None:
    extract.owned()
    extract.test("NAVIGATE_NEXT", "10:00:00", number=1, user_id=BEN)
    extract.test("NAVIGATE_NEXT", "10:00:00", number=1, user_id=ANN, day=D2)
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"] if row["stream"] == "events"}
    assert (rows[D1]["rejected_session_not_owned"], rows[D2]["rows_conflict"], rows[D2]["rows_accepted"]) == (1, 1, 0)


def test_late_rows_and_empty_extracts(extract: Extract) -> None:
    extract.study("question_view", "23:59:59.999999", day=D2)
    extract.study("question_view", f"{D2}T00:00:00Z", day=D2)
    extract.loads.add(Load("study", "events", D3))
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"]}
    assert (rows[D2]["rows_accepted"], rows[D2]["rows_late"], rows[D3]["rows_read"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-02T10:00:00Z", datetime(2026, 3, 2, 10)),
        ("2026-03-02t10:00:00.1234569+02:00", datetime(2026, 3, 2, 8, 0, 0, 123456)),
        ("2026-03-02 23:30:00.5-00:45", datetime(2026, 3, 3, 0, 15, 0, 500000)),
    ],
)
def test_timestamps(text: str, value: datetime) -> None:
    assert timestamp(text) == value
