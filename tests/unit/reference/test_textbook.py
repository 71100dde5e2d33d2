"""Chapters, AI blocks and errors of the textbook."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.unit.reference.extract import D1, D2, Extract


def use(extract: Extract, who: str, when: str, chapter: str = "one", block: str = "quiz", **payload: Any) -> None:
    extract.textbook("ai_block_used", when, user_id=who, chapter_id=chapter, block_type=block, **payload)


def test_a_chapter(extract: Extract) -> None:
    for who, when in (("ann", "10:00:00"), ("ann", "11:00:00"), ("ben", "10:00:00"), ("ann", f"{D2}T00:00:00Z")):
        extract.textbook("chapter_visit", when, user_id=who, chapter_id="one")
    use(extract, "cat", "10:00:00")
    extract.textbook("error_event", "10:00:00", error_type="timeout", chapter_id="one")
    extract.textbook("error_event", "10:00:00", error_type="timeout")  # no chapter: no row
    row = extract.one("chapter_daily_stats", date=D1)
    assert (row["visits"], row["visitors"], row["ai_block_uses"], row["errors"]) == (3, 2, 1, 1)
    assert extract.one("chapter_daily_stats", date=D2)["visitors"] == 1


def test_a_block_type(extract: Extract) -> None:
    """Ann uses it twice, in two chapters; Ben and Cat once: 4 uses, 3 users, 1 / 3 comes back."""
    use(extract, "ann", "10:00:00")
    use(extract, "ann", "10:01:00", "two")
    use(extract, "ben", "10:00:00")
    use(extract, "cat", "10:00:00")
    use(extract, "ben", "10:00:00", block="diagram")
    row = extract.one("ai_block_daily_stats", block_type="quiz")
    assert (row["uses"], row["users"], row["chapters"], row["repeat_rate"]) == (4, 3, 2, Decimal("0.333333333"))


def test_an_error_type(extract: Extract) -> None:
    """Three errors in two chapters at 7 visits: 3000 / 7 = 428.571428571 a thousand. The next day has no visit."""
    for minute in range(7):
        extract.textbook("chapter_visit", f"10:0{minute}:00", user_id="ann", chapter_id="three")
    for chapter in ("one", "two", None):
        extract.textbook("error_event", "10:00:00", error_type="timeout", chapter_id=chapter)
    extract.textbook("error_event", f"{D2}T10:00:00Z", error_type="timeout", day=D2)
    row = extract.one("error_daily_stats", date=D1)
    assert (row["errors"], row["chapters"], row["errors_per_1000_visits"]) == (3, 2, Decimal("428.571428571"))
    row = extract.one("error_daily_stats", date=D2)
    assert (row["errors"], row["chapters"], row["errors_per_1000_visits"]) == (1, 0, None)


def test_text_that_is_no_grain_becomes_other(extract: Extract) -> None:
    use(extract, "ann", "10:00:00", block="x" * 65)
    use(extract, "ann", "10:00:00", block="ask ann@example.org")
    use(extract, "ann", "10:00:00", block="x" * 64)
    rows = extract.marts()["ai_block_daily_stats"]
    assert {row["block_type"]: row["uses"] for row in rows} == {"other": 2, "x" * 64: 1}
