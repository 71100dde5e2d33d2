"""What the rows of the extracts become: verdicts, identities, the books."""

from __future__ import annotations

import hashlib
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.reference import Load
from tests.reference.reading import collapsed_keys, timestamp
from tests.unit.reference.extract import (
    ANN,
    BEN,
    D1,
    D2,
    D3,
    Q1,
    Q3,
    T1,
    T2,
    T3,
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


# --- identities of recommendation, collaboration and textbook -------------------------------------------------------


def verdicts(extract: Extract, system: str) -> tuple[int, int, int]:
    """How many rows of a system are accepted, duplicates, conflicts."""
    rows = [row for row in extract.marts()["event_ledger"] if row["system"] == system]
    return (
        sum(row["rows_accepted"] for row in rows),
        sum(row["rows_duplicate"] for row in rows),
        sum(row["rows_conflict"] for row in rows),
    )


def test_the_twelve_forms_of_a_collapsed_key() -> None:
    """`kid:tap:rec` with four separators, as it is, as MD5 and as SHA-1 in hex."""
    keys = collapsed_keys("kid", "tap", "rec")
    assert {"kid:tap:rec", "kid-tap-rec", "kid_tap_rec", "kid|tap|rec"} < keys
    assert hashlib.md5(b"kid:tap:rec").hexdigest() in keys
    assert hashlib.sha1(b"kid|tap|rec").hexdigest() in keys
    assert len(keys) == 12


@pytest.mark.parametrize("key", sorted(collapsed_keys("kid", "tap", "rec")))
def test_each_version_of_a_collapsed_key_is_an_event(extract: Extract, key: str) -> None:
    """Two instants, two events; the same instant again is a duplicate, with another content a conflict."""
    extract.recommend("tap", "10:00:00", key=key)
    extract.recommend("tap", "10:01:00", key=key, day=D2)
    extract.recommend("tap", f"{D1}T12:01:00+02:00", key=key, day=D2)
    extract.recommend("tap", "10:01:00", key=key, day=D3, event_order=1)
    assert verdicts(extract, "recommendation") == (2, 1, 1)
    assert extract.one("recommendation_funnel")["collapsed_events"] == 2


def test_another_key_seen_again_is_a_copy_whenever_it_happened(extract: Extract) -> None:
    extract.recommend("tap", "10:00:00", key="key")
    extract.recommend("tap", "10:01:00", key="key", day=D2)
    extract.recommend("tap", "10:00:00", key="key", day=D2)
    assert verdicts(extract, "recommendation") == (1, 1, 1)


def test_a_key_that_names_other_fields_than_its_rows_is_an_ordinary_one(extract: Extract) -> None:
    """`kid:tap:rec` on a start is no form of that start's key."""
    extract.recommend("start", "10:00:00", key="kid:tap:rec")
    extract.recommend("start", "10:01:00", key="kid:tap:rec")
    assert verdicts(extract, "recommendation") == (1, 0, 1)
    assert extract.one("recommendation_funnel")["collapsed_events"] == 0


@pytest.mark.parametrize("system", ["collaboration", "textbook"])
def test_rows_without_an_id_are_known_by_what_they_hold(extract: Extract, system: str) -> None:
    """Nulls, numbers' spelling and an unknown field's place make no difference; anything else makes another event."""
    for fields in ({}, {"words": 5}, {"words": Decimal("5.0")}, {"words": 5, "style": None}, {"words": 6}):
        if system == "collaboration":
            extract.draft("DraftViewed", "10:00:00", user_id="ann", key=None, **fields)
        else:
            extract.textbook("error_event", "10:00:00", error_type="timeout", key=None, error_message="oh", **fields)
    assert verdicts(extract, system) == (3, 2, 0)


def test_an_alias_is_mapped_before_anything_is_hashed(extract: Extract) -> None:
    for name in ("DraftPublished", "DraftPublishedEvent"):
        extract.draft(name, "10:00:00", publisher_id="ann", key=None)
        extract.draft(name, "10:00:00", publisher_id="ann", key="key")
    assert verdicts(extract, "collaboration") == (2, 2, 0)


def test_the_stable_hash_is_made_of_canonical_json(extract: Extract) -> None:
    """`["DraftCreated",<microseconds>,{...}]`: keys sorted, nulls left out, 5.0 as 5, the unknown field joined.

    2026-03-02T10:00:00Z is 1,772,445,600 s after 1970.
    """
    extract.draft("DraftCreated", "10:00:00", creator_id="änn", words=Decimal("5.0"), key=None, z=None)
    extract.rows[0].payload["app"] = {"b": [1, None], "a": Decimal("0.50")}
    data = '{"app":{"a":0.5,"b":[1,null]},"creator_id":"änn","draft_id":"draft","words":5}'
    text = f'["DraftCreated",1772445600000000,{data}]'
    assert extract.one("funnel_attempts")["opened_event_id"] == "h-" + hashlib.sha256(text.encode()).hexdigest()


def test_a_question_is_on_the_topic_that_the_first_copy_of_its_row_says(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00")
    extract.questions_on(D1, Q1=T2)
    extract.questions_on(D1, Q1=T3)
    assert extract.one("question_stats")["topic_id"] == T2
    assert extract.one("event_ledger", stream="questions")["rows_conflict"] == 1
