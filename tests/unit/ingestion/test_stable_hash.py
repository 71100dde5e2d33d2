"""Rows without an id of their own: known by a hash of their type, time and payload."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from judging import KEY, U1, collaboration, one, run, stream, textbook

from ingestion.privacy import keyed_hash

COLLABORATION, TEXTBOOK = stream("collaboration"), stream("textbook")
AT = 1_756_720_800_000_000  # 2025-09-01T10:00:00Z in microseconds


def stable(event_type: str, microseconds: int, data: dict[str, Any]) -> str:
    """The hash as the specification words it, for data that Python's `json` writes canonically."""
    text = json.dumps([event_type, microseconds, data], separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return f"h-{hashlib.sha256(text.encode()).hexdigest()}"


def accepted(system: str, doc: Any) -> dict[str, Any]:
    row = one(stream(system), doc)
    assert isinstance(row, dict), row
    return row


def test_the_hash_is_that_of_the_specification() -> None:
    """Spelled out to the byte, so that nothing but SHA-256 is trusted."""
    row = accepted("collaboration", collaboration())
    text = f'["DraftViewed",1756720800000000,{{"draft_id":"d-1","user_id":"{U1}"}}]'
    assert row["row_id"] == "h-" + hashlib.sha256(text.encode()).hexdigest()
    assert row["idempotency_key"] is None


def test_a_row_with_an_id_keeps_it() -> None:
    row = accepted("collaboration", collaboration(idempotency_key="key|1"))
    assert (row["row_id"], row["idempotency_key"]) == ("key|1", "key|1")
    row = accepted("textbook", textbook(event_id="e-1"))
    assert (row["row_id"], row["event_id"]) == ("e-1", "e-1")


@pytest.mark.parametrize(
    ("changes", "microseconds"),
    [
        ({"timestamp": "2025-09-01T12:00:00.000001+02:00"}, AT + 1),
        ({"timestamp": "2025-09-01 10:00:00.9999999"}, AT + 999_999),
        ({"timestamp": "2000-01-01T00:00:00Z"}, 946_684_800_000_000),
    ],
)
def test_the_instant_counts_in_whole_microseconds_of_utc(changes: dict[str, Any], microseconds: int) -> None:
    data = {"draft_id": "d-1", "user_id": U1}
    assert accepted("collaboration", collaboration(**changes))["row_id"] == stable("DraftViewed", microseconds, data)


def test_aliases_are_mapped_first() -> None:
    data = {"draft_id": "d-1", "publisher_id": U1}
    names = ("DraftPublished", "DraftPublishedEvent")
    rows = [accepted("collaboration", collaboration(name, data)) for name in names]
    assert [row["row_id"] for row in rows] == [stable("DraftPublished", AT, data)] * 2
    assert [row["event_type"] for row in rows] == ["DraftPublished"] * 2


def test_the_payload_counts_as_it_is_stored() -> None:
    """Free text replaced, unknown fields of the envelope joined, keys sorted, nulls away, numbers by value."""
    payload = {"user_id": U1, "chapter_id": "c-1", "query": "why?", "block_type": "quiz", "score": 5.0, "none": None}
    stored = {
        "block_type": "quiz",
        "chapter_id": "c-1",
        "device": {"os": "x"},
        "query": {"hash": keyed_hash(KEY, "why?"), "length": 4},
        "score": 5,
        "user_id": U1,
    }
    row = accepted("textbook", textbook("ai_block_used", payload, device={"os": "x"}))
    assert row["row_id"] == stable("ai_block_used", AT, stored)
    payload = {"error_type": "E1", "error_message": "no mail to kim.learner@example.com"}
    kept = {"hash": keyed_hash(KEY, "no mail to kim.learner@example.com"), "length": 34, "text": "no mail to [email]"}
    row = accepted("textbook", textbook("error_event", payload))
    assert row["row_id"] == stable("error_event", AT, {"error_type": "E1", "error_message": kept})


def test_the_same_row_in_another_spelling_is_a_duplicate() -> None:
    plain = json.dumps(collaboration(data={"draft_id": "dräft", "user_id": U1, "n": 1.5, "m": [1, {"a": None}]}))
    spelled = (
        '{"timestamp":"2025-09-01t12:00:00+02:00" ,"idempotency_key":null,"event_type":"DraftViewed",'
        f'"data":{{"x":null,"m":[1.0,{{}}],"n":15e-1,"user_id":"{U1}","draft_id":"dr\\u00e4ft"}}}}'
    )
    first, second = run(COLLABORATION, [plain, spelled]).accepted
    assert first["row_id"] == second["row_id"]
    assert first["content_hash"] == second["content_hash"]
    assert first["id_hash"] == second["id_hash"]


def test_any_difference_is_another_row() -> None:
    data = {"draft_id": "d-1", "user_id": U1}
    docs = [
        collaboration(),
        collaboration("DraftShared"),
        collaboration(timestamp="2025-09-01T10:00:00.000001Z"),
        collaboration(data={**data, "draft_id": "d-2"}),
        collaboration(data={**data, "more": 1}),
        collaboration(app="1.2"),
        collaboration(idempotency_key="k"),
    ]
    rows = run(COLLABORATION, docs).accepted
    assert len({row["row_id"] for row in rows}) == len(docs)


def test_content_is_compared_among_rows_with_an_id() -> None:
    """The same key at another time, or with another payload, is a conflict; a hash that came as an id is a copy."""
    docs = [
        textbook(event_id="e"),
        textbook(event_id="e", timestamp="2025-09-01T12:00:00+02:00"),
        textbook(event_id="e", timestamp="2025-09-01T10:00:01Z"),
        textbook(event_id="e", payload={"user_id": U1, "chapter_id": "c-2"}),
    ]
    first, same, later, other = (row["content_hash"] for row in run(TEXTBOOK, docs).accepted)
    assert first == same
    assert len({first, later, other}) == 3
    hashed = accepted("textbook", textbook())
    named = accepted("textbook", textbook(event_id=hashed["row_id"]))
    assert (named["row_id"], named["content_hash"]) == (hashed["row_id"], hashed["content_hash"])


@pytest.mark.parametrize("value", ["", 5, "kim.learner@example.com", "x" * 129, "a\tb", {"id": 1}])
def test_an_id_that_is_there_and_no_id_is_not_replaced(value: Any) -> None:
    verdict = one(TEXTBOOK, {**textbook(), "event_id": value})
    assert isinstance(verdict, tuple)
    assert verdict[0] == "invalid_field" and verdict[1].startswith("event_id: ")
