"""What the marts of every domain share: spans, ratios, medians.

What belongs here: small functions that say one sentence of `marts.md` each. What does not: any mart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.reference.reading import MICROSECOND

Mart = list[dict[str, Any]]
Number = int | Decimal | Fraction

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
LONGEST_TIME = 3600  # seconds; where times are cut and capped, more than these count as these


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())


def seconds(span: timedelta) -> Decimal:
    """A span as seconds with 6 places, from its whole microseconds."""
    return (Decimal(span // MICROSECOND) / 1_000_000).quantize(Decimal("0.000001"))


def round9(value: Number) -> Decimal:
    """A number of whatever exactness, rounded to 9 places."""
    with localcontext() as context:
        context.prec = 60
        exact = Decimal(value.numerator) / value.denominator if isinstance(value, Fraction) else Decimal(value)
        return exact.quantize(Decimal("0.000000001"), rounding=ROUND_HALF_UP)


def ratio(part: Number, whole: Number) -> Decimal | None:
    return None if whole == 0 else round9(Fraction(part) / Fraction(whole))


def percentile(values: Iterable[Number], percent: int) -> Decimal | None:
    """The continuous percentile: between two values it is interpolated."""
    ordered = sorted(Fraction(value) for value in values)
    if not ordered:
        return None
    place = Fraction((len(ordered) - 1) * percent, 100)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return round9(below + (above - below) * (place - math.floor(place)))


def median(values: Iterable[Number]) -> Decimal | None:
    return percentile(values, 50)


def cut_and_capped(time_in_seconds: Decimal) -> int:
    """Whole seconds, at most an hour of them."""
    return min(math.floor(time_in_seconds), LONGEST_TIME)


def total(values: Iterable[Decimal | None]) -> Decimal:
    return sum((value for value in values if value is not None), Decimal("0.000000"))


def grain_text(value: str | None) -> str | None:
    """Plain text that reaches a mart: at most 64 characters, no e-mail address."""
    if value is not None and (len(value) > 64 or "@" in value):
        return "other"
    return value


def check_columns(name: str, mart: Mart, columns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise AssertionError unless the rows have the columns that are declared, in their order."""
    for row in mart:
        if tuple(row) != columns[name]:
            raise AssertionError(f"{name}: the columns are not those of COLUMNS: {tuple(row)}")
