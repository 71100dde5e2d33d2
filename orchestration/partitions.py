"""The extract dates as Dagster partitions.

What belongs here: the partitions definition, and how a run is told which of them it takes. What does not: which dates
need a run (`planning`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from ingestion.extracts import discover
from ingestion.home import Home

# No event is older (the contracts reject it), so no extract is.
_FIRST = "2000-01-01"


def build_extract_dates(home: Home) -> dg.DailyPartitionsDefinition:
    """Every day up to today, and on to the newest date in landing: simulated data may run ahead of the clock."""
    today = datetime.now(UTC).date()
    newest = max((extract.extract_date for extract in discover(home).extracts), default=today)
    return dg.DailyPartitionsDefinition(start_date=_FIRST, end_offset=1 + max(0, (newest - today).days))


def last_date(extract_dates: dg.DailyPartitionsDefinition) -> date:
    """The newest date that a run can take."""
    key = extract_dates.get_last_partition_key()
    assert key is not None
    return date.fromisoformat(key)


_RANGE_START_TAG = "dagster/asset_partition_range_start"
_RANGE_END_TAG = "dagster/asset_partition_range_end"


@dataclass(frozen=True, order=True)
class DateRange:
    """The extract dates of one run; both ends are in."""

    first: date
    last: date

    @property
    def tags(self) -> dict[str, str]:
        """What tells Dagster that a run takes these dates."""
        return {_RANGE_START_TAG: self.first.isoformat(), _RANGE_END_TAG: self.last.isoformat()}

    def __contains__(self, day: date) -> bool:
        """Whether the run takes the date."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """The range as people write it."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
