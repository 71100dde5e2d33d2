"""Feeds documents to the judge, without readers or lake."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from ingestion.contract import Stream, load_contracts
from ingestion.validation import Judged, judge

KEY = b"a key of the tests"
DAY = date(2025, 9, 1)
U1 = "0b0b15a7-9547-83d7-d421-7fa58bf155f1"
U2 = "14a5fc3e-1b71-6e0c-c0f6-e072dd525aa1"

Doc = dict[str, Any] | str | None  # a str is taken as the text of the document; None is a malformed row


@dataclass
class Verdicts:
    judged: Judged
    accepted: list[dict[str, Any]]
    rejected: list[dict[str, Any]]

    @property
    def reasons(self) -> list[str]:
        return [row["reason"] for row in self.rejected]

    @property
    def details(self) -> list[str]:
        return [row["detail"] for row in self.rejected]


def stream(system: str, name: str = "events") -> Stream:
    return load_contracts()[system].stream(name)


def study(event_type: str = "session_end", properties: Any = None, **changes: Any) -> dict[str, Any]:
    """A valid study event; a change to None leaves the field out."""
    ids = dict.fromkeys(("session_id", "material_id", "topic_id", "question_id"), U2)
    event = {"event_id": U1, "event_type": event_type, "event_ts": "2025-09-01T10:00:00Z", "user_id": U1, **ids}
    event |= {"properties": properties, **changes}
    return {name: value for name, value in event.items() if value is not None}


def assessment(event_type: str = "SESSION_CREATED", payload: Any = None, **changes: Any) -> dict[str, Any]:
    event = {"id": U1, "event_type": event_type, "event_ts": "2025-09-01T10:00:00Z", "session_id": U2, "user_id": U1}
    event |= {"question_id": U2, "payload_json": payload, **changes}
    return {name: value for name, value in event.items() if value is not None}


def recommendation(event: str = "tap", metadata: Any = None, **changes: Any) -> dict[str, Any]:
    row = {"event_key": "k-1", "event": event, "child_id": U1, "recommendation_id": "r-1", "metadata": metadata}
    row |= {"occurred_at": "2025-09-01T10:00:00Z", **changes}
    return {name: value for name, value in row.items() if value is not None}


def collaboration(event_type: str = "DraftViewed", data: Any = None, **changes: Any) -> dict[str, Any]:
    """A valid collaboration event without a key of its own."""
    data = {"draft_id": "d-1", "user_id": U1} if data is None else data
    row = {"event_type": event_type, "timestamp": "2025-09-01T10:00:00Z", "data": data, **changes}
    return {name: value for name, value in row.items() if value is not None}


def textbook(event_type: str = "chapter_visit", payload: Any = None, **changes: Any) -> dict[str, Any]:
    """A valid textbook event without an id of its own."""
    payload = {"user_id": U1, "chapter_id": "c-1"} if payload is None else payload
    row = {"event_type": event_type, "timestamp": "2025-09-01T10:00:00Z", "payload": payload, **changes}
    return {name: value for name, value in row.items() if value is not None}


def batch(*events: Any, **changes: Any) -> dict[str, Any]:
    line = {"source": "web", "user_id": U1, "received_at": "2025-09-01T10:00:10Z", "events": list(events), **changes}
    return {name: value for name, value in line.items() if value is not None}


def batch_event(seq: int = 1, client_ts: str = "2025-09-01T09:00:00Z", **changes: Any) -> dict[str, Any]:
    event = {"event_type": "SESSION_CREATED", "client_ts": client_ts, "seq": seq, "session_id": U2, **changes}
    return {name: value for name, value in event.items() if value is not None}


def run(
    of: Stream, docs: Sequence[Doc], erased: frozenset[str] = frozenset(), con: duckdb.DuckDBPyConnection | None = None
) -> Verdicts:
    con = con or duckdb.connect()
    texts = [json.dumps(doc) if isinstance(doc, dict) else doc for doc in docs]
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE docs AS
        SELECT 'a.ndjson' AS source_file, unnest(range(len(texts))) + 1 AS source_line, unnest(texts) AS doc,
            coalesce(unnest(texts), 'torn') AS raw, CASE WHEN unnest(texts) IS NULL THEN 'torn line' END AS fault,
            false AS is_known
        FROM (SELECT ?::VARCHAR[] AS texts)""",
        [texts],
    )
    judged = judge(con, of, "docs", DAY, KEY, erased)
    return Verdicts(judged, _rows(con, judged.accepted), _rows(con, judged.rejected))


def _rows(con: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    cursor = con.execute(f"SELECT * FROM {table} ORDER BY source_line, batch_index")
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def one(of: Stream, doc: Doc) -> tuple[str, str] | dict[str, Any]:
    """What becomes of one document: (reason, detail), or the accepted row."""
    verdicts = run(of, [doc])
    if verdicts.rejected:
        return verdicts.rejected[0]["reason"], verdicts.rejected[0]["detail"]
    return verdicts.accepted[0]
