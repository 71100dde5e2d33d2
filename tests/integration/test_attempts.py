"""What is told of an attempt at a question and came, or went, on another day than the attempt."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.integration.extracts import put, study_event
from tests.integration.warehouse import Warehouse

DAYS = [date(2026, 1, 5) + timedelta(days=n) for n in range(6)]
TOPIC = "20000000-0000-4000-8000-000000000001"
QUESTION = "30000000-0000-4000-8000-000000000001"
LONG = "40000000-0000-4000-8000-000000000001"  # a session that goes on for days
SHORT = "40000000-0000-4000-8000-000000000002"


def event(day: int, event_type: str, minutes: int = 600, session_id: str = LONG) -> dict[str, Any]:
    properties = {"is_correct": True, "time_to_answer_seconds": 20} if event_type == "question_submit" else {}
    fields = {"session_id": session_id, "topic_id": TOPIC, "question_id": QUESTION, "properties": properties}
    return study_event(DAYS[day], minutes, event_type, minutes, **fields)


def told_after(warehouse: Warehouse, extract: int, *events: dict[str, Any]) -> dict[tuple[date, int], tuple[Any, ...]]:
    """Load an extract, build; of each attempt, by its date and number: days since the last, hint, explanation."""
    put(warehouse, "study", DAYS[extract], "events", events)
    warehouse.load()
    warehouse.build("question_attempts")
    return {
        (row["date"], row["attempt_number"]): (
            row["days_since_last_attempt"],
            row["hint_used"],
            row["explanation_viewed"],
        )
        for row in warehouse.mart("question_attempts")
    }


def built_in_full(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The runs of dbt that did so last."""
    return warehouse.query(
        """select model, generation from daybook.keyed.builds
           union select model, generation from warehouse.keyed.builds order by 1"""
    )


def test_hints_attempts_and_explanations_on_other_days(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "daybook", tmp_path / "target")
    day = Decimal(1)

    assert told_after(warehouse, 0, event(0, "ai_hint_requested")) == {}
    at_first = built_in_full(warehouse)
    # The hint of the day before, in its session.
    assert told_after(warehouse, 1, event(1, "question_submit")) == {(DAYS[1], 1): (None, True, False)}
    # Explained a day later, in its session.
    explanations = (event(2, "ai_explanation_requested"), event(2, "ai_explanation_requested", 601, SHORT))
    assert told_after(warehouse, 2, *explanations) == {(DAYS[1], 1): (None, True, True)}
    # The second attempt is in another session than the hint that came before it,
    later = (event(2, "ai_hint_requested", 700), event(3, "question_submit", session_id=SHORT))
    assert told_after(warehouse, 3, *later) == {(DAYS[1], 1): (None, True, True), (DAYS[3], 2): (2 * day, False, False)}
    # which so helps none, for the third one comes after the second.
    assert told_after(warehouse, 4, event(4, "question_submit")) == {
        (DAYS[1], 1): (None, True, True),
        (DAYS[3], 2): (2 * day, False, False),
        (DAYS[4], 3): (day, False, False),
    }
    # An attempt before all of them arrives late: the first hint is its own, and each other one has a number more.
    late = event(0, "question_submit", 960)
    assert told_after(warehouse, 5, late) == {
        (DAYS[0], 1): (None, True, False),
        (DAYS[1], 2): (day * 3 / 4, False, True),
        (DAYS[3], 3): (2 * day, False, False),
        (DAYS[4], 4): (day, False, False),
    }
    # Withdrawn: the second attempt of the time, then the late one, and what was asked for.
    assert told_after(warehouse, 3, event(2, "ai_hint_requested", 700)) == {
        (DAYS[0], 1): (None, True, False),
        (DAYS[1], 2): (day * 3 / 4, False, True),
        (DAYS[4], 3): (3 * day, True, False),
    }
    assert told_after(warehouse, 5) == {(DAYS[1], 1): (None, True, True), (DAYS[4], 2): (3 * day, True, False)}
    assert told_after(warehouse, 2) == {(DAYS[1], 1): (None, True, False), (DAYS[4], 2): (3 * day, True, False)}
    assert told_after(warehouse, 0) == {(DAYS[1], 1): (None, False, False), (DAYS[4], 2): (3 * day, True, False)}
    assert built_in_full(warehouse) == at_first, "else nothing was shown of nights"
