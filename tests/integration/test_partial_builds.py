"""Nights that build a part of the models only: what was left out catches up later, and all is as if built anew."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.extracts import put, study_event
from tests.integration.warehouse import Warehouse

DAYS = [date(2026, 1, 5) + timedelta(days=n) for n in range(5)]
TOPIC = "20000000-0000-4000-8000-000000000001"
QUESTION = "30000000-0000-4000-8000-{:012d}"
SESSION = "40000000-0000-4000-8000-000000000001"
MATERIAL = "50000000-0000-4000-8000-000000000001"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path / "daybook", tmp_path / "target")


def deliver(warehouse: Warehouse, day: int, *documents: dict[str, Any], system: str = "study") -> None:
    """The one extract of a day, loaded."""
    put(warehouse, system, DAYS[day], "events", documents)
    warehouse.load()


def answer(day: int, question: int) -> dict[str, Any]:
    return study_event(
        DAYS[day],
        question + 1,
        "question_submit",
        600 + question,
        question_id=QUESTION.format(question),
        topic_id=TOPIC,
        properties={"is_correct": True, "time_to_answer_seconds": 20},
    )


def read(day: int) -> dict[str, Any]:
    """A minute with one material, in a session that goes on for days."""
    fields = {"session_id": SESSION, "material_id": MATERIAL, "topic_id": TOPIC}
    return study_event(DAYS[day], 1, "material_read", 600, **fields, properties={"time_spent_seconds": 60})


def of_draft(day: int, event_type: str, **data: str) -> dict[str, Any]:
    return {
        "event_type": event_type,
        "idempotency_key": f"key-{day}",
        "timestamp": f"{DAYS[day]}T10:00:00Z",
        "data": {"draft_id": "draft-1", **data},
    }


def passed(day: int, giver: str, taker: str) -> dict[str, Any]:
    return of_draft(day, "RINGPassed", from_user_id=giver, to_user_id=taker)


PART = (
    "base_study__events",
    "int_study__derived_sessions",
    "int_study__question_events",
    "question_attempts",
    "int_study__first_attempts",  # without int_study__first_attempt_days
    "material_interactions",  # without int_study__session_days
    "base_collaboration__events",
    "int_collaboration__holds",  # without int_collaboration__user_draft_days
)


def test_a_part_that_is_built_twice(warehouse: Warehouse) -> None:
    """What was left out knows dates and sums that the part needs: it took nothing of them from the first of two nights.

    First attempts never looked again at a day without its sums, holds forgot where the ring had been, and material
    interactions, whose books lie in another file, what was read.
    """
    deliver(warehouse, 0, answer(0, 1), read(0))
    deliver(warehouse, 0, of_draft(0, "DraftCreated", creator_id="ada"), system="collaboration")
    warehouse.build()
    for day, (giver, taker) in enumerate([("ada", "ben"), ("ben", "cem")], 1):
        deliver(warehouse, day, answer(day, 1 + day), read(day))
        deliver(warehouse, day, passed(day, giver, taker), system="collaboration")
        warehouse.dbt("run", "--select", *PART)
    found = "select user_id, event_date from warehouse.intermediate.int_collaboration__holds order by 2"
    assert [tuple(row.values()) for row in warehouse.query(found)] == [*zip(["ada", "ben", "cem"], DAYS, strict=False)]
    assert [row["duration_seconds"] for row in warehouse.mart("material_interactions")] == [180]
    warehouse.build()
    warehouse.assert_equals_rebuild("after a part was built twice")
    assert len(warehouse.query("select 1 from warehouse.intermediate.int_study__first_attempts")) == 3


def test_dates_that_are_known_of_an_older_generation(warehouse: Warehouse) -> None:
    """What was built in full has no log of what it took, so nothing tells what the days of drafts lack."""
    holds = ("base_collaboration__events", "int_collaboration__holds")
    deliver(warehouse, 0, of_draft(0, "DraftCreated", creator_id="ada"), system="collaboration")
    warehouse.build()
    deliver(warehouse, 1, passed(1, "ada", "ben"), system="collaboration")
    warehouse.dbt("run", "--full-refresh", "--select", *holds)
    deliver(warehouse, 2, passed(2, "ben", "cem"), system="collaboration")
    warehouse.dbt("run", "--select", *holds)
    assert len(warehouse.query("select 1 from warehouse.intermediate.int_collaboration__holds")) == 3
    warehouse.build()
    warehouse.assert_equals_rebuild("after the base was built in full without the days of drafts")


def test_a_gap_that_time_alone_opens(warehouse: Warehouse, tmp_path: Path) -> None:
    """Who is told of time by a model that lagged had not been told: before and after, nothing was to come."""
    deliver(warehouse, 0, answer(0, 1))
    warehouse.build()
    deliver(warehouse, 1, *(answer(1, question) for question in range(2, 10)))
    warehouse.dbt("run", "--select", "+knowledge_gap_spells", "--exclude", "int_study__user_mastery")

    later = Warehouse(tmp_path / "later", target=tmp_path / "target", lake_of=warehouse)
    later.build(full=True, as_of=datetime(2036, 1, 1))
    (spell,) = later.query("select min(opened_on) as opened_on from knowledge_gap_spells")
    seen_at = datetime.combine(spell["opened_on"], datetime.min.time()) + timedelta(days=1)
    assert seen_at.date() > DAYS[2]
    assert warehouse.mart("knowledge_gap_spells") == []
    warehouse.build(as_of=seen_at)
    later.build(full=True, as_of=seen_at)
    assert warehouse.contents("knowledge_gap_spells") == later.contents("knowledge_gap_spells") != []
