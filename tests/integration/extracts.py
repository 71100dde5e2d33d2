"""Extracts that tests write by hand, an event at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.integration.warehouse import Warehouse

USER = "00000000-0000-4000-8000-000000000001"


def put(warehouse: Warehouse, system: str, day: date, stream: str, documents: Iterable[dict[str, Any]]) -> None:
    """Write the one file of an extract."""
    path = warehouse.home.landing / system / day.isoformat() / f"{stream}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def study_event(day: date, number: int, event_type: str, minutes: int, **fields: Any) -> dict[str, Any]:
    """An event so many minutes after a date began, with an id of its own by date and number."""
    at = (datetime.combine(day, datetime.min.time(), UTC) + timedelta(minutes=minutes)).isoformat()
    return {
        "event_id": f"10000000-0000-4000-8000-{day:%y%m%d}{number:06d}",
        "event_type": event_type,
        "event_ts": at,
        "client_ts": at,
        "user_id": USER,
        **fields,
    }
