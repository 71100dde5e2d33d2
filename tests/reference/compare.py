"""Compare a mart with the reference's, row by row, with a message that says what differs.

What belongs here: keys, tolerances, readable differences. What does not: any knowledge of how a mart comes about.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from tests.reference.marts import COLUMNS, KEYS

# Ratios, medians and scores may be computed in binary floating point; everything else is exact.
TOLERANT = frozenset(
    {
        "accuracy",
        "accuracy_change",
        "answered_rate",
        "avg_hold_minutes",
        "change_rate",
        "child_tap_rate",
        "click_through_rate",
        "clock_skew_p50",
        "clock_skew_p95",
        "clock_skew_seconds",
        "completion_rate",
        "consistency_28",
        "conversion_from_first",
        "conversion_from_previous",
        "delivery_lag_p50",
        "delivery_lag_p95",
        "delivery_lag_p99",
        "discrimination",
        "entity_conversion_from_first",
        "errors_per_1000_visits",
        "evidence",
        "fading_days",
        "first_attempt_accuracy",
        "hint_rate",
        "hint_then_correct_rate",
        "late_rate",
        "log_odds_at_practice",
        "log_odds_margin",
        "log_odds_per_log_day",
        "longest_open_hold_minutes",
        "mastery_high",
        "mastery_low",
        "mastery_score",
        "mean_batch_size",
        "median_response_time_ms",
        "median_seconds_from_previous",
        "median_session_minutes",
        "median_time_to_answer_seconds",
        "median_visible_seconds",
        "missing_seq_rate",
        "model_difficulty",
        "p95_response_time_ms",
        "p_correct_first",
        "predicted_correct",
        "recall",
        "rejection_rate",
        "repeat_rate",
        "review_mark_rate",
        "severity",
        "skip_rate",
        "start_rate",
        "zero_result_rate",
    }
)
TOLERANCE = Decimal("1e-9")
# Facts of the loading that no rows of an extract tell, and texts that are a seed's.
UNKNOWN_TO_THE_REFERENCE: dict[str, frozenset[str]] = {
    "event_ledger": frozenset({"bytes", "files", "loaded_at"}),
    "leaderboard": frozenset({"insight", "message"}),
}

Rows = Iterable[Mapping[str, Any]]


def compare(
    mart: str, expected: Rows, got: Rows, key: Sequence[str] | None = None, ignore: Iterable[str] = ()
) -> list[str]:
    """The differences between two lists of rows, each as one line; an empty list says that they are equal."""
    key = tuple(key or KEYS[mart])
    expected, got = list(expected), list(got)
    ignored = UNKNOWN_TO_THE_REFERENCE.get(mart, frozenset()) | frozenset(ignore)
    differences = _columns(mart, expected, got, ignored)
    wanted = _by_key(mart, "expected", expected, key, differences)
    have = _by_key(mart, "got", got, key, differences)
    for value in sorted(wanted.keys() | have.keys(), key=repr):
        where = f"{mart} [{', '.join(f'{name}={part}' for name, part in zip(key, value, strict=True))}]"
        if value not in have:
            differences.append(f"{where}: missing; expected {_brief(wanted[value])}")
        elif value not in wanted:
            differences.append(f"{where}: should not be there; got {_brief(have[value])}")
        else:
            for column, right in wanted[value].items():
                if column in ignored or column not in have[value]:
                    continue
                if not same(right, have[value][column], column in TOLERANT):
                    differences.append(f"{where} {column}: expected {right!r}, got {have[value][column]!r}")
    return differences


def assert_same(
    mart: str,
    expected: Rows,
    got: Rows,
    key: Sequence[str] | None = None,
    ignore: Iterable[str] = (),
    context: str = "",
    limit: int = 20,
) -> None:
    """Raise AssertionError with the first differences, if there are any."""
    differences = compare(mart, expected, got, key, ignore)
    if differences:
        more = f"\n... and {len(differences) - limit} more" if len(differences) > limit else ""
        head = f"{context}: " if context else ""
        raise AssertionError(
            f"{head}{mart} differs in {len(differences)} places:\n" + "\n".join(differences[:limit]) + more
        )


def same(expected: Any, got: Any, tolerant: bool) -> bool:
    """Whether two values of a column are the same."""
    expected, got = _plain(expected), _plain(got)
    if expected is None or got is None or isinstance(expected, bool) or isinstance(got, bool):
        return type(expected) is type(got) and expected == got
    if isinstance(expected, Decimal) and isinstance(got, Decimal):
        if not got.is_finite():
            return False
        if tolerant:
            # Both sides are rounded to 9 places: a half that falls the other way in floating point is one unit there.
            return abs(expected - got) <= TOLERANCE * max(Decimal(1), abs(expected))
        return expected == got
    return type(expected) is type(got) and bool(expected == got)


def _plain(value: Any) -> Any:
    """Numbers as decimals, instants as naive UTC; an instant and a date stay different things."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _key_part(value: Any) -> Any:
    return _plain(value) if isinstance(value, int | float | date) else value


def _by_key(
    mart: str, side: str, rows: Sequence[Mapping[str, Any]], key: Sequence[str], differences: list[str]
) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    index: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    for row in rows:
        value = tuple(_key_part(row.get(name)) for name in key)
        if value in index:
            differences.append(f"{mart}: {side} has the key {value} more than once")
        index[value] = row
    return index


def _columns(
    mart: str, expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]], ignored: frozenset[str]
) -> list[str]:
    """Columns that are missing, or that nobody asked for."""
    if not got:
        return []
    wanted = COLUMNS.get(mart) or (tuple(expected[0]) if expected else ())
    missing = [name for name in wanted if name not in got[0] and name not in ignored]
    extra = [name for name in got[0] if name not in wanted and name not in ignored]
    return [f"{mart}: column {name} is missing" for name in missing] + [
        f"{mart}: column {name} is none of the specification's" for name in extra
    ]


def _brief(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in row.items() if value not in (None, 0, False))
