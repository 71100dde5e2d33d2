"""Keys that an earlier producer made of child, event and recommendation: identity is then the key and the time."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from judging import U1, one, recommendation, run, stream

RECOMMENDATION = stream("recommendation")
AT = 1_756_720_800_000_000  # 2025-09-01T10:00:00Z in microseconds
JOINED = [f"{U1}{separator}tap{separator}r-1" for separator in ":-_|"]
MD5 = [hashlib.md5(text.encode()).hexdigest() for text in JOINED]
SHA1 = [hashlib.sha1(text.encode()).hexdigest() for text in JOINED]


def accepted(**changes: Any) -> dict[str, Any]:
    row = one(RECOMMENDATION, recommendation(**changes))
    assert isinstance(row, dict), row
    return row


@pytest.mark.parametrize("key", [*JOINED, *MD5, *SHA1, *(key.upper() for key in MD5 + SHA1), SHA1[0].title()])
def test_every_form_is_found(key: str) -> None:
    row = accepted(event_key=key)
    assert row["is_collapsed"] is True
    assert row["row_id"] == f"{key}|{AT}"
    assert row["event_key"] == key


@pytest.mark.parametrize(
    "key",
    [
        "k-1",
        U1,
        f"{U1}:tap:r-2",
        f"{U1}:start:r-1",
        f"{U1}:tap-r-1",
        f"{U1}/tap/r-1",
        f"{U1}:tap:r-1 ",
        JOINED[0].upper(),
        f"tap:{U1}:r-1",
        hashlib.md5(f"{U1}:tap:r-2".encode()).hexdigest(),
        hashlib.sha256(JOINED[0].encode()).hexdigest(),
        "0" * 32,
        "0" * 40,
        MD5[0][:-1],
        f"{MD5[0]}|{AT}",
    ],
)
def test_any_other_key_is_the_identity_itself(key: str) -> None:
    row = accepted(event_key=key)
    assert row["is_collapsed"] is False
    assert row["row_id"] == key


def test_ids_of_any_form() -> None:
    """The texts as stored: case kept, separators of their own in them, other alphabets hashed as UTF-8."""
    ids = {"child_id": "Kïnd|1", "recommendation_id": 'r:"2"'}
    text = 'Kïnd|1_tap_r:"2"'
    assert accepted(**ids, event_key=text)["is_collapsed"] is True
    assert accepted(**ids, event_key=hashlib.sha1(text.encode()).hexdigest())["is_collapsed"] is True
    assert accepted(**ids, event_key=text.lower())["is_collapsed"] is False
    # a plain key may be as long as a hash
    assert accepted(child_id="c" * 20, recommendation_id="r" * 7, event_key=f"{'c' * 20}:tap:{'r' * 7}")["is_collapsed"]


def test_each_time_is_an_event_and_the_same_time_again_a_copy() -> None:
    key = MD5[2]
    docs = [
        recommendation(event_key=key),
        recommendation(event_key=key, occurred_at="2025-09-01T12:00:00+02:00"),
        recommendation(event_key=key, occurred_at="2025-09-01T10:00:00.000001Z"),
        recommendation(event_key=key, metadata={"position": 2}),
        recommendation(event_key=key.upper()),
    ]
    first, again, later, other, upper = run(RECOMMENDATION, docs).accepted
    assert (first["row_id"], first["content_hash"]) == (again["row_id"], again["content_hash"])
    assert later["row_id"] == f"{key}|{AT + 1}"
    assert other["row_id"] == first["row_id"] and other["content_hash"] != first["content_hash"]
    assert upper["row_id"] == f"{key.upper()}|{AT}"


def test_a_key_of_another_event_is_not_collapsed() -> None:
    """The form is that of the row's own fields: the same key in a row with others is any key."""
    docs = [recommendation(event_key=MD5[0]), recommendation("start", event_key=MD5[0])]
    assert [row["row_id"] for row in run(RECOMMENDATION, docs).accepted] == [f"{MD5[0]}|{AT}", MD5[0]]


def test_any_other_key_conflicts_by_time_too() -> None:
    docs = [recommendation(), recommendation(occurred_at="2025-09-01T10:00:01Z")]
    first, second = run(RECOMMENDATION, docs).accepted
    assert first["row_id"] == second["row_id"]
    assert first["content_hash"] != second["content_hash"]
