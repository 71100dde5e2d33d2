"""What the ledger says of the sources of a load: it stays when the quarantine is emptied."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ingestion.erasure import erase
from ingestion.home import Home
from ingestion.ledger import SourceRows
from tests.unit.ingestion.conftest import USERS, Put, Query, event, load_all, ndjson

SESSION = "30000000-0000-4000-8000-000000000001"
SOURCES = "select stream, source, rows_read, rows_rejected, batches from lake.raw.load_sources order by all"


def single(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"40000000-0000-4000-8000-{number:012d}",
        "event_type": "SESSION_CREATED",
        "event_ts": "2025-01-02T10:00:00Z",
        "session_id": SESSION,
        "user_id": USERS[0],
        **fields,
    }


def batch(*seqs: int | None, **fields: Any) -> dict[str, Any]:
    """A batch of events with these sequence numbers; without one an event is rejected."""
    events = [
        {"event_type": "NAVIGATE_NEXT", "client_ts": "2025-01-02T10:00:00Z", "session_id": SESSION, "seq": seq}
        for seq in seqs
    ]
    return {"user_id": USERS[0], "received_at": "2025-01-02T10:00:01Z", "events": events, **fields}


def test_rows_rejected_rows_and_batches_of_each_source(home: Home, put: Put, query: Query) -> None:
    """Web: two batches of 2 and 1 events, one of them without a number. Mobile: a batch of 51, too large.

    A torn line and a source that is none are of nobody; a batch without events is no batch of anybody.
    """
    torn = '{"source": "web", "user_id":'
    put(
        "assessment/2025-01-02/batches.ndjson",
        ndjson(
            batch(1, None, source="web"),
            batch(2, source="web"),
            batch(*range(51), source="mobile"),
            batch(source="api"),
            torn,
        ),
    )
    put(
        "assessment/2025-01-02/events.ndjson",
        ndjson(single(1, source="web"), single(2, source="web", event_type="nope"), single(3), single(4, source=None)),
    )
    [batches, events] = load_all(home)
    assert batches.sources == (
        SourceRows("-", 1, 1, 1),
        SourceRows("mobile", 51, 51, 1),
        SourceRows("web", 3, 1, 2),
    )
    assert events.sources == (SourceRows("-", 2, 0, 0), SourceRows("web", 2, 1, 0))
    assert query(SOURCES) == [
        ("batches", "-", 1, 1, 1),
        ("batches", "mobile", 51, 51, 1),
        ("batches", "web", 3, 1, 2),
        ("events", "-", 2, 0, 0),
        ("events", "web", 2, 1, 0),
    ]


def test_a_system_without_sources_and_reference_rows(home: Home, put: Put, query: Query) -> None:
    put("study/2025-01-02/events.ndjson", ndjson(event(1), event(2, event_type="nope")))
    put("study/2025-01-02/topics.ndjson", ndjson({"topic_id": USERS[0]}))
    load_all(home)
    assert query(SOURCES) == [("events", "-", 2, 1, 0)]


def test_erased_rows_are_no_sources(home: Home, put: Put, query: Query) -> None:
    rows = [
        single(1, source="web"),
        single(2, source="web", user_id=USERS[1]),
        single(3, source="api", user_id=USERS[1]),
    ]
    put("assessment/2025-01-02/events.ndjson", ndjson(*rows))
    load_all(home)
    erase(home, USERS[1])
    assert query(SOURCES) == [("events", "web", 1, 0, 0)]
    assert query("select rows_read, rows_erased from lake.raw.loads") == [(3, 2)]


def test_loads_from_before_sources_were_counted_tell_none_apart(
    home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that an earlier version wrote goes on; its loads have their totals under `-`."""
    put(
        "assessment/2025-01-02/events.ndjson",
        ndjson(single(1, source="web"), single(2, source="web", event_type="nope")),
    )
    with monkeypatch.context() as earlier:
        earlier.setattr("ingestion.ledger._sources", lambda *_: None)
        load_all(home)
    assert query(SOURCES) == [("events", "-", 2, 1, 0)]
    put("assessment/2025-01-03/events.ndjson", ndjson(single(3, source="web")))
    load_all(home)
    both = "select extract_date, source, rows_read from lake.raw.load_sources order by all"
    assert query(both) == [(date(2025, 1, 2), "-", 2), (date(2025, 1, 3), "web", 1)]
