"""Alerts on telemetry: silent where all is well, and each told by its own check where it is not."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.extracts import ExtractError
from ingestion.load import Loader, pending
from tests.integration.warehouse import Warehouse

DATES = [date(2026, 1, 5) + timedelta(days=n) for n in range(9)]
USER, SESSION = "00000000-0000-4000-8000-000000000001", "30000000-0000-4000-8000-00000000000{}"
ALERTS = {
    "rejection_rate_alert",
    "failed_loads_alert",
    "delivery_lag_alert",
    "batch_size_alert",
    "missing_seq_alert",
    "clock_skew_alert",
    "late_rate_alert",
}


def put(warehouse: Warehouse, system: str, day: date, stream: str, *documents: dict[str, Any]) -> None:
    path = warehouse.home.landing / system / day.isoformat() / f"{stream}.ndjson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))


def study(warehouse: Warehouse, day: date, late: int) -> None:
    """Twenty events, so many of them of the day before; of clocks that are right."""
    events = []
    for n in range(20):
        at = datetime.combine(day - timedelta(days=n < late), datetime.min.time(), UTC) + timedelta(minutes=n)
        events.append(
            {
                "event_id": f"10000000-0000-4000-8000-{day.day:02d}{n:010d}",
                "event_type": "topic_explored",
                "event_ts": at.isoformat(),
                "client_ts": at.isoformat(),
                "user_id": USER,
                "topic_id": USER,
            }
        )
    put(warehouse, "study", day, "events", *events)


def batches(warehouse: Warehouse, day: date, number: int, seqs: list[list[int]], delay: timedelta) -> None:
    """Batches of one session, each received so long after its newest event by the client's clock."""
    session = SESSION.format(number)
    start = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=10)
    put(warehouse, "assessment", day, "test_sessions", {"session_id": session, "user_id": USER})
    documents = []
    for batch in seqs:
        events = [
            {
                "event_type": "NAVIGATE_NEXT",
                "client_ts": (start + timedelta(seconds=n)).isoformat(),
                "seq": n,
                "session_id": session,
            }
            for n in batch
        ]
        received_at = start + timedelta(seconds=max(batch)) + delay
        documents.append({"source": "web", "user_id": USER, "received_at": received_at.isoformat(), "events": events})
    put(warehouse, "assessment", day, "batches", *documents)


def statuses(warehouse: Warehouse, as_of: datetime | None = None) -> dict[str, str]:
    with Loader(warehouse.home) as loader:
        failed = [
            outcome for _, outcome in loader.load_all(pending(warehouse.home)) if isinstance(outcome, ExtractError)
        ]
    assert len(failed) <= 1
    warehouse.build(as_of=as_of)
    told = warehouse.dbt("test", "--select", "telemetry_quality_daily", "failed_loads_alert")
    assert told.keys() >= ALERTS
    return {alert: told[alert] for alert in ALERTS}


def test_alerts_warn_of_what_is_wrong_and_of_nothing_else(tmp_path: Path) -> None:
    """On the ninth day all goes wrong.

    Late: 6 of 20 after eight days of 1 in 20. Rejected: 2 of 5 rows. Client clocks: 6 minutes behind
    what the batches say (300 s is the limit). Batches: of 1.5 events. Numbers: 1, 2 and 9 seen, six missing. Received:
    an event 16 minutes after it happened by the server's clock. And one of 28 loads failed.
    """
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    for n, day in enumerate(DATES[:8]):
        study(warehouse, day, late=1)
        batches(warehouse, day, n, [[1, 2, 3], [4, 5]], timedelta(minutes=4))
    assert set(statuses(warehouse).values()) == {"pass"}

    worst = DATES[8]
    study(warehouse, worst, late=6)
    batches(warehouse, worst, 8, [[1, 2], [9]], timedelta(minutes=6))
    lagging = {
        "id": "40000000-0000-4000-8000-000000000001",
        "event_type": "SESSION_CREATED",
        "event_ts": f"{worst}T09:00:00Z",
        "created_at": f"{worst}T09:16:00Z",
        "session_id": SESSION.format(8),
        "user_id": USER,
        "source": "api",
    }
    put(warehouse, "assessment", worst, "events", lagging, *({"event_type": "nope", "source": "web"} for _ in range(2)))
    broken = warehouse.home.landing / "textbook" / worst.isoformat() / "events.ndjson.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not gzip at all")
    assert statuses(warehouse) == dict.fromkeys(ALERTS, "warn")

    # An alert stands for the seven extract dates before as-of. It had no upper bound, so that a night of old told of
    # what came after it, and in the middle of a day it looked at eight dates.
    start = datetime.combine(worst, datetime.min.time())
    silent = dict.fromkeys(ALERTS, "pass") | {"failed_loads_alert": "warn"}  # which looks at loads, not at dates
    assert statuses(warehouse, as_of=start) == silent
    assert statuses(warehouse, as_of=start + timedelta(days=7)) == dict.fromkeys(ALERTS, "warn")
    assert statuses(warehouse, as_of=start + timedelta(days=7, microseconds=1)) == silent
