"""Visits, AI blocks and errors of the textbook.

What belongs here: marts from the events of the system `textbook`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date

from tests.reference.marts.common import Mart, grain_text, ratio
from tests.reference.reading import TextbookEvent

COLUMNS: dict[str, tuple[str, ...]] = {
    "chapter_daily_stats": ("chapter_id", "date", "visits", "visitors", "ai_block_uses", "errors"),
    "ai_block_daily_stats": ("block_type", "date", "uses", "users", "chapters", "repeat_rate"),
    "error_daily_stats": ("error_type", "date", "errors", "chapters", "errors_per_1000_visits"),
}
KEYS: dict[str, tuple[str, ...]] = {
    "chapter_daily_stats": ("chapter_id", "date"),
    "ai_block_daily_stats": ("block_type", "date"),
    "error_daily_stats": ("error_type", "date"),
}
Groups = dict[tuple[str, date], list[TextbookEvent]]


def of_type(events: list[TextbookEvent], event_type: str) -> list[TextbookEvent]:
    return [event for event in events if event.event_type == event_type]


def grouped(events: list[TextbookEvent], name: str) -> Groups:
    """The events by a field that they state, and by date."""
    groups: Groups = defaultdict(list)
    for event in events:
        value = event.payload.get(name)
        if name != "chapter_id":
            value = grain_text(value)
        if value is not None:
            groups[value, event.ts.date()].append(event)
    return groups


def distinct(events: list[TextbookEvent], name: str) -> int:
    """How many values of a field there are; absent ones are none."""
    return len({event.payload.get(name) for event in events} - {None})


def chapter_daily_stats(events: list[TextbookEvent]) -> Mart:
    """One row a (chapter, date) with any event; an error without a chapter makes none."""
    mart = []
    for (chapter_id, day), group in grouped(events, "chapter_id").items():
        visits = of_type(group, "chapter_visit")
        mart.append(
            {
                "chapter_id": chapter_id,
                "date": day,
                "visits": len(visits),
                "visitors": distinct(visits, "user_id"),
                "ai_block_uses": len(of_type(group, "ai_block_used")),
                "errors": len(of_type(group, "error_event")),
            }
        )
    return mart


def ai_block_daily_stats(events: list[TextbookEvent]) -> Mart:
    """One row a (block type, date) with a use."""
    mart = []
    for (block_type, day), group in grouped(of_type(events, "ai_block_used"), "block_type").items():
        uses = Counter(event.payload["user_id"] for event in group)
        mart.append(
            {
                "block_type": block_type,
                "date": day,
                "uses": len(group),
                "users": len(uses),
                "chapters": distinct(group, "chapter_id"),
                "repeat_rate": ratio(sum(times >= 2 for times in uses.values()), len(uses)),
            }
        )
    return mart


def error_daily_stats(events: list[TextbookEvent]) -> Mart:
    """One row an (error type, date) with an error."""
    visits = Counter(event.ts.date() for event in of_type(events, "chapter_visit"))
    return [
        {
            "error_type": error_type,
            "date": day,
            "errors": len(group),
            "chapters": distinct(group, "chapter_id"),
            "errors_per_1000_visits": ratio(1000 * len(group), visits[day]),
        }
        for (error_type, day), group in grouped(of_type(events, "error_event"), "error_type").items()
    ]
