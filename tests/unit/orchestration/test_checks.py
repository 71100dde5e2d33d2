from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from ingestion.ledger import Difference, Load
from ingestion.validation import Drift
from mastery.model import Figures, Method
from orchestration import checks

D = date(2026, 3, 10)
LOADED = datetime(2026, 3, 11, 2, 0, tzinfo=UTC)
LOAD = Load("a", "study", "events", D, LOADED, 100, 97, {"malformed": 3}, 0, 1, 1000, "sha")


def rejecting(rows: int) -> Load:
    return replace(LOAD, rows_accepted=100 - rows, rejected={"malformed": rows} if rows else {})


def book(**columns: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "system": "study", "stream": "events", "extract_date": D, "rows_read": 100, "rows_accepted": 90,
        "rows_rejected": 3, "rows_duplicate": 5, "rows_conflict": 2, "rows_erased": 0,
    }  # fmt: skip
    return row | columns


def test_a_ledger_that_the_lake_does_not_bear_out() -> None:
    assert checks.ledger_balances([LOAD], []).passed
    verdict = checks.ledger_balances([LOAD], [Difference("a", "study", "events", D, "rows_valid", 97, 96)])
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "2026-03-10" in verdict.description
    assert verdict.metadata["sample"].records[0].data["lake"] == 96


@pytest.mark.parametrize(
    ("rows", "passed", "severity"),
    [(0, True, "WARN"), (5, True, "WARN"), (6, False, "WARN"), (20, False, "WARN"), (21, False, "ERROR")],
)
def test_the_limits_of_rejection(rows: int, passed: bool, severity: str) -> None:
    verdict = checks.rejection_rate([rejecting(rows)], lambda _: [{"source_file": "f", "reason": "malformed"}])
    assert (verdict.passed, verdict.severity.value) == (passed, severity)
    assert ("sample" in verdict.metadata) is bool(rows)


def test_one_bad_date_does_not_hide_among_good_ones() -> None:
    good = [replace(LOAD, extract_date=D + timedelta(days=n)) for n in range(1, 9)]
    verdict = checks.rejection_rate([rejecting(50), *good], lambda _: [])
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert verdict.description.startswith("2026-03-10: more than 20% of the rows")


def test_the_sample_is_of_the_dates_that_reject_too_much() -> None:
    asked: list[Load] = []
    little = replace(rejecting(5), extract_date=D + timedelta(days=1))
    checks.rejection_rate([rejecting(50), little], lambda loads: asked.extend(loads) or [])
    assert asked == [rejecting(50)]


def test_no_load_is_no_rejection() -> None:
    assert checks.rejection_rate([], lambda _: []).passed


def test_missing_and_empty_extracts() -> None:
    assert checks.extract_present([LOAD], []).passed
    assert checks.extract_present([LOAD], [D]).description == "no extract for 2026-03-10"
    empty = replace(LOAD, rows_read=0, rows_accepted=0, rejected={})
    assert checks.extract_present([empty], []).description == "an empty extract for 2026-03-10"


def test_freshness_compares_with_other_streams_and_with_what_is_due() -> None:
    today = D + timedelta(days=3)
    assert checks.freshness(D, D, None, today).passed
    assert checks.freshness(None, D, None, today).passed
    assert checks.freshness(D, D + timedelta(days=2), None, today).metadata["days_behind"] == 2
    assert not checks.freshness(D, D, D + timedelta(days=1), today).passed


@pytest.mark.found("fresh eyes")
def test_a_day_that_has_not_begun_is_too_fresh() -> None:
    """A folder that was dated ahead moved as-of for good, and nothing told of it."""
    assert checks.freshness(D, D, None, D).passed
    ahead = checks.freshness(D + timedelta(days=1), D, None, D)
    assert not ahead.passed
    assert "a day that has not begun, and moves as-of to its end" in ahead.description


def test_drift_names_field_type_and_rows() -> None:
    assert checks.schema_drift([LOAD]).passed
    drifting = replace(LOAD, drift=(Drift("mood", "session_start", "unknown_field", 7),))
    verdict = checks.schema_drift([drifting, drifting])
    assert not verdict.passed
    assert "mood of session_start in 14 rows" in verdict.description


def test_an_event_type_that_the_contract_does_not_know_is_drift() -> None:
    """Its rows are rejected: where the type is rare, below the share of which `rejection_rate` warns, none was told."""
    new_type = replace(LOAD, rows_accepted=99, rejected={"unknown_event_type": 1})
    assert checks.rejection_rate([new_type], lambda _: []).passed
    verdict = checks.schema_drift([new_type, new_type])
    assert not verdict.passed
    assert verdict.description.endswith("such as unknown_event_type event_type in 2 rows")


@pytest.mark.parametrize(
    ("read", "repeated", "passed"),
    [(3, 2, True), (1000, 100, True), (1000, 101, False), (2020, 101, True), (2019, 101, False)],
)
def test_many_duplicates_warn_and_a_few_do_not(read: int, repeated: int, passed: bool) -> None:
    """Above 5 %, and above a hundred."""
    assert checks.duplicates([book(rows_read=read, rows_duplicate=repeated)]).passed is passed


def test_conflicts_warn() -> None:
    assert checks.conflicts([book(rows_conflict=0)]).passed
    assert checks.conflicts([book()]).severity is dg.AssetCheckSeverity.WARN


def test_books_that_balance() -> None:
    assert checks.books_balance([book()], [LOAD]).passed


@pytest.mark.parametrize(
    ("books", "loads", "found"),
    [
        ([book(rows_accepted=91)], [LOAD], "100 rows read, 101 accounted for"),
        ([], [LOAD], "not in the books"),
        ([book()], [], "in the books, but not in the lake"),
        ([book()], [replace(LOAD, rows_read=101, rows_accepted=98)], "100 rows read, 101 by the ledger"),
    ],
)
def test_books_that_do_not(books: list[Any], loads: list[Load], found: str) -> None:
    verdict = checks.books_balance(books, loads)
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert found in {record.data["found"] for record in verdict.metadata["sample"].records}


def test_books_whose_rows_are_gone_from_the_lake() -> None:
    """The load's own check is in another run: rows lost from the quarantine were published over all the same."""
    gap = Difference("id", "study", "events", D, "rejected_malformed", 10, 9)
    verdict = checks.books_balance([book()], [LOAD], [gap])
    assert not verdict.passed
    assert verdict.metadata["sample"].records[0].data["found"] == "rejected_malformed: 10 by the ledger, 9 in the lake"


def test_the_night_is_what_the_published_books_do_not_have() -> None:
    old, new = book(), book(extract_date=D + timedelta(days=1))
    assert checks.unpublished([old, new], [old]) == [new]
    assert checks.unpublished([book(rows_conflict=3)], [old]) == [book(rows_conflict=3)]


def test_collapsed_events_warn_when_new_ones_appear() -> None:
    """Three events of the 10th are published; a fourth, and one of the 11th, are new. Fewer than before is no news."""
    next_day = D + timedelta(days=1)
    published = [{"date": D, "collapsed_events": 3}]
    assert checks.collapsed_events(published, published).passed
    assert checks.collapsed_events([{"date": D, "collapsed_events": 2}], published).passed
    assert checks.collapsed_events([], published).passed
    working = [{"date": D, "collapsed_events": 4}, {"date": next_day, "collapsed_events": 1}]
    verdict = checks.collapsed_events(working, published)
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert verdict.description.startswith("2026-03-10, 2026-03-11: 2 new events")
    assert (verdict.metadata["new_collapsed_events"], verdict.metadata["collapsed_events"]) == (2, 5)


def measured(method: Method, auc: float, log_loss: float, version: str = "a") -> Figures:
    return Figures(version, "held_out", method, date(2026, 1, 4), D, D, 10, 100, auc, log_loss, 0.01)


def test_mastery_that_beats_every_naive_method() -> None:
    figures = [
        measured("mastery", 0.8, 0.5),
        measured("topic_average", 0.7, 0.6),
        measured("running_accuracy", 0.7, 0.6),
    ]
    verdict = checks.beats_naive_methods([*figures, measured("mastery", 0.9, 0.4, "b")], "a")
    assert (verdict.passed, verdict.description) == (True, "a beats each: AUC 0.8000, log-loss 0.5000")
    assert verdict.metadata["topic_average_log_loss"] == 0.6


@pytest.mark.parametrize(("auc", "log_loss"), [(0.8, 0.6), (0.7, 0.5), (0.8, 0.4)])
def test_mastery_that_a_naive_method_matches_by_either_measure_warns(auc: float, log_loss: float) -> None:
    figures = [measured("mastery", 0.8, 0.5), measured("topic_average", auc, log_loss)]
    verdict = checks.beats_naive_methods([*figures, measured("running_accuracy", 0.6, 0.7)], "a")
    assert (verdict.passed, verdict.severity) == (False, dg.AssetCheckSeverity.WARN)
    told = f"a (AUC 0.8000, log-loss 0.5000) does not beat topic average (AUC {auc:.4f}, log-loss {log_loss:.4f})"
    assert verdict.description == told


def test_a_model_that_was_not_measured_is_not_blamed() -> None:
    figures = [measured("mastery", 0.8, 0.5, "b"), replace(measured("mastery", 0.1, 0.9), split="fitted")]
    assert checks.beats_naive_methods(figures, "a").passed
