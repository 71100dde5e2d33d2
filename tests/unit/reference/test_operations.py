"""The quality of the telemetry, by source and extract date."""

from __future__ import annotations

from decimal import Decimal

from tests.unit.reference.extract import ANN, D1, D2, Q1, S1, Extract, instant


def batch(extract: Extract, received: str, *events: tuple[str, int], source: str | None = "web") -> None:
    document = {
        "source": source,
        "user_id": ANN,
        "received_at": instant(received),
        "events": [
            {"event_type": "NAVIGATE_NEXT", "client_ts": instant(when), "seq": seq, "session_id": S1}
            for when, seq in events
        ],
    }
    extract.add("assessment", "batches", document, D1, "batches.ndjson", None)


def test_sources_of_assessment(extract: Extract) -> None:
    """Web has two events and a batch of three, mobile one event, and one states nothing."""
    extract.owned(questions=(Q1,))
    extract.test("NAVIGATE_NEXT", "10:00:00", source="web", seq=1)
    extract.test("NAVIGATE_NEXT", "10:00:01", source="web", seq=2, reject="invalid_field")
    extract.test("NAVIGATE_NEXT", "10:00:02", source="mobile", seq=9)
    extract.test("NAVIGATE_NEXT", "10:00:03")
    batch(extract, "10:01:00", ("10:00:10", 4), ("10:00:20", 5), ("10:00:40", 9))
    rows = {row["source"]: row for row in extract.marts()["telemetry_quality_daily"]}
    assert {name: (row["rows_read"], row["events"]) for name, row in rows.items()} == {
        "web": (5, 4),
        "mobile": (1, 1),
        "-": (1, 1),
    }
    assert (rows["web"]["rejection_rate"], rows["mobile"]["rejection_rate"]) == (Decimal("0.2"), 0)
    assert (rows["web"]["mean_batch_size"], rows["mobile"]["mean_batch_size"]) == (3, None)
    # The whole session has seen 1, 4, 5, 9 of 1 to 9, whoever sent them: 5 / 9 are missing.
    assert {row["missing_seq_rate"] for row in rows.values()} == {Decimal("0.555555556")}
    # The batch's events happened 30, 20 and 0 s before it was received.
    assert (rows["web"]["delivery_lag_p50"], rows["web"]["delivery_lag_p95"]) == (20, 29)
    assert (rows["web"]["delivery_lag_p99"], rows["mobile"]["delivery_lag_p50"]) == (Decimal("29.8"), None)
    # event_ts is 20 s after client_ts for each of the three; the events proper state no client_ts.
    assert (rows["web"]["clock_skew_p50"], rows["-"]["clock_skew_p50"]) == (20, None)


def test_a_source_that_cannot_be_read_and_one_that_is_no_text(extract: Extract) -> None:
    extract.test("NAVIGATE_NEXT", "10:00:00", source=7, reject="invalid_field")
    extract.add("assessment", "events", {}, D1, "events.ndjson", "malformed")
    row = extract.one("telemetry_quality_daily")
    assert (row["source"], row["rows_read"], row["rejection_rate"]) == ("-", 2, 1)
    assert (row["late_rate"], row["missing_seq_rate"]) == (None, None)


def test_held_events_are_rejected_and_copies_are_neither(extract: Extract) -> None:
    """Two reads of one event and one held one: 1 / 3 rejected, one event."""
    extract.owned()
    for _ in range(2):
        extract.test("NAVIGATE_NEXT", "10:00:00", number=1, source="web")
    extract.test("NAVIGATE_NEXT", "10:00:00", user_id=Q1, source="web")
    row = extract.one("telemetry_quality_daily")
    assert (row["rows_read"], row["events"], row["rejection_rate"]) == (3, 1, Decimal("0.333333333"))


def test_created_at_is_when_an_event_of_assessment_arrived(extract: Extract) -> None:
    extract.owned()
    extract.test("NAVIGATE_NEXT", "10:00:00", created_at=instant("10:00:03"), client_ts=instant("10:00:01"))
    extract.test("NAVIGATE_NEXT", "10:00:00")
    row = extract.one("telemetry_quality_daily")
    assert (row["delivery_lag_p50"], row["clock_skew_p50"]) == (3, -1)


def test_systems_without_sources_have_one_row_a_date(extract: Extract) -> None:
    """Study knows its clients' clocks: 2 s and 4 s behind, 3 at the median, 3.9 at the 95th percentile."""
    extract.study("question_view", "10:00:00", client_ts="09:59:58", day=D2)
    extract.study("question_view", "10:00:00", client_ts="09:59:56", day=D2)
    extract.study("question_view", f"{D2}T10:00:00Z", day=D2)
    extract.recommend("tap", "10:00:00")
    rows = {(row["system"], row["extract_date"]): row for row in extract.marts()["telemetry_quality_daily"]}
    study, recommendation = rows["study", D2], rows["recommendation", D1]
    assert (study["source"], study["events"], study["late_rate"]) == ("-", 3, Decimal("0.666666667"))
    assert (study["clock_skew_p50"], study["clock_skew_p95"]) == (3, Decimal("3.9"))
    assert (study["delivery_lag_p50"], study["mean_batch_size"], study["missing_seq_rate"]) == (None, None, None)
    assert (recommendation["events"], recommendation["clock_skew_p50"]) == (1, None)


def test_an_empty_extract_has_a_row_unless_the_date_has_others(extract: Extract) -> None:
    batch(extract, "10:00:00")  # an empty list of events: no row at all
    row = extract.one("telemetry_quality_daily")
    assert (row["system"], row["source"], row["rows_read"], row["rejection_rate"]) == ("assessment", "-", 0, None)
    extract.test("NAVIGATE_NEXT", "10:00:00", source="web")
    assert extract.one("telemetry_quality_daily")["source"] == "web"
