"""What happened to the rows on their way: the books, and the quality of the telemetry.

What belongs here: marts by system and extract date. What does not: verdicts on rows (`tests/reference/reading.py`).
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Any

from tests.reference.marts.assessment import events_by_session, missing_numbers
from tests.reference.marts.common import Mart, grain_text, percentile, ratio, seconds
from tests.reference.reading import REASONS, Accepted, AssessmentEvent, Judged, Row, StudyEvent

COLUMNS: dict[str, tuple[str, ...]] = {
    # bytes, files and loaded_at are facts of the loading, not of the rows: the caller compares those where it can.
    "event_ledger": (
        "system",
        "stream",
        "extract_date",
        "rows_read",
        "rows_accepted",
        "rows_rejected",
        *(f"rejected_{reason}" for reason in REASONS),
        "rows_duplicate",
        "rows_conflict",
        "rows_erased",
        "rows_late",
    ),
    "telemetry_quality_daily": (
        "system",
        "source",
        "extract_date",
        "rows_read",
        "events",
        "rejection_rate",
        "mean_batch_size",
        "missing_seq_rate",
        "clock_skew_p50",
        "clock_skew_p95",
        "delivery_lag_p50",
        "delivery_lag_p95",
        "delivery_lag_p99",
        "late_rate",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {
    "event_ledger": ("system", "stream", "extract_date"),
    "telemetry_quality_daily": ("system", "source", "extract_date"),
}
TELEMETRY_STREAMS = ("events", "batches")
NO_SOURCE = "-"


def event_ledger(accepted: Accepted) -> Mart:
    """One row a loaded (system, stream, extract date)."""
    mart = []
    for (system, stream, extract_date), verdicts in accepted.verdicts().items():
        rejected = {f"rejected_{reason}": verdicts[reason] for reason in REASONS}
        row: dict[str, Any] = {
            "system": system,
            "stream": stream,
            "extract_date": extract_date,
            "rows_read": verdicts["read"],
            "rows_accepted": verdicts["accepted"],
            "rows_rejected": sum(rejected.values()),
            **rejected,
            "rows_duplicate": verdicts["duplicate"],
            "rows_conflict": verdicts["conflict"],
            "rows_erased": 0,
            "rows_late": verdicts["late"],
        }
        parts = row["rows_accepted"] + row["rows_rejected"] + row["rows_duplicate"] + row["rows_conflict"]
        if row["rows_read"] != parts:
            raise AssertionError(f"the reference's own books do not balance: {row}")
        mart.append(row)
    return mart


def source_of(row: Row) -> str:
    """Where a row says that it comes from; only assessment's rows say it."""
    stated = row.payload.get("source") if row.system == "assessment" else None
    return (grain_text(stated) or NO_SOURCE) if isinstance(stated, str) else NO_SOURCE


def telemetry_quality_daily(accepted: Accepted) -> Mart:
    """One row a (system, source, extract date) with a row, or without one where the extract is empty."""
    groups: dict[tuple[str, str, date], list[Judged]] = defaultdict(list)
    for judged in accepted.judged:
        row = judged.row
        if row.stream in TELEMETRY_STREAMS:
            groups[row.system, source_of(row), row.extract_date].append(judged)
    with_rows = {(system, extract_date) for system, _, extract_date in groups}
    for system, stream, extract_date in accepted.loads:
        if stream in TELEMETRY_STREAMS and (system, extract_date) not in with_rows:
            groups[system, NO_SOURCE, extract_date] = []
    sessions = events_by_session(accepted)
    return [telemetry_row(key, group, sessions) for key, group in groups.items()]


def telemetry_row(
    key: tuple[str, str, date], group: list[Judged], sessions: dict[str, list[AssessmentEvent]]
) -> dict[str, Any]:
    """The row of one (system, source, extract date)."""
    system, source, extract_date = key
    events = [event for _, _, event in group if event is not None]
    tests = [event for event in events if isinstance(event, AssessmentEvent)]
    batched = [row for row, _, _ in group if row.stream == "batches"]
    touched = [sessions[session_id] for session_id in {event.session_id for event in tests}]
    missing = sum(missing_numbers(session) for session in touched)
    seen = sum(len({event.seq for event in session if event.seq is not None}) for session in touched)
    skews = [
        seconds(event.ts - event.client_ts)
        for event in events
        if isinstance(event, StudyEvent | AssessmentEvent) and event.client_ts is not None
    ]
    lags = [seconds(event.arrived_at - event.ts) for event in tests if event.arrived_at is not None]
    return {
        "system": system,
        "source": source,
        "extract_date": extract_date,
        "rows_read": len(group),
        "events": len(events),
        "rejection_rate": ratio(sum(verdict in REASONS for _, verdict, _ in group), len(group)),
        "mean_batch_size": ratio(len(batched), len({(row.source_file, row.source_line) for row in batched})),
        "missing_seq_rate": ratio(missing, missing + seen),
        "clock_skew_p50": percentile(skews, 50),
        "clock_skew_p95": percentile(skews, 95),
        "delivery_lag_p50": percentile(lags, 50),
        "delivery_lag_p95": percentile(lags, 95),
        "delivery_lag_p99": percentile(lags, 99),
        "late_rate": ratio(sum(event.ts.date() < extract_date for event in events), len(events)),
    }
