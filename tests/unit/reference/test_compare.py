"""The comparison of a mart with the reference's."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.reference import assert_same, compare
from tests.unit.reference.extract import (
    ANN,
    Extract,
)


def test_compare_names_mart_key_and_column(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=1)
    extract.study("question_submit", "10:01:00", number=2, is_correct=False)
    expected = extract.marts()["daily_user_stats"]
    got = [dict(expected[0])]
    assert compare("daily_user_stats", expected, got) == []
    got[0]["accuracy"] = 0.5 + 1e-10
    assert compare("daily_user_stats", expected, got) == []
    got[0] |= {"accuracy": 0.51, "active_seconds": Decimal("60.000001"), "is_active_day": 1}
    differences = "\n".join(compare("daily_user_stats", expected, got))
    assert f"daily_user_stats [user_id={ANN}, date=2026-03-02] accuracy: expected" in differences
    assert "active_seconds: expected Decimal('60.000000'), got Decimal('60.000001')" in differences
    assert "is_active_day" in differences
    with pytest.raises(AssertionError, match="night 3: daily_user_stats differs in 1 places"):
        assert_same("daily_user_stats", expected, [], context="night 3")


def test_compare_finds_extra_double_and_misnamed() -> None:
    rows = [{"session_id": "s", "n": 1}]
    assert "more than once" in compare("some_mart", rows, rows * 2, key=["session_id"])[0]
    assert "should not be there" in compare("some_mart", [], rows, key=["session_id"])[-1]
    assert any("column n is missing" in text for text in compare("m", rows, [{"session_id": "s"}], key=["session_id"]))


def test_compare_knows_no_time_zone_but_utc_and_no_nan() -> None:
    moment = datetime(2026, 3, 2, 10)
    rows = [{"session_id": "s", "at": moment, "accuracy": None}]
    assert compare("m", rows, [{**rows[0], "at": moment.replace(tzinfo=UTC)}], key=["session_id"]) == []
    assert compare("m", rows, [{**rows[0], "at": moment.date()}], key=["session_id"])
    assert compare("m", rows, [{**rows[0], "accuracy": float("nan")}], key=["session_id"])
