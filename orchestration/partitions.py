"""The extract dates as Dagster partitions.

What belongs here: the partitions definition, and how a run is told which of them it takes. What does not: which dates
need a run (`planning`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import dagster as dg

# No event is older (the contracts reject it), so no extract is. Today is a partition too: an extract may be tried
# early.
extract_dates = dg.DailyPartitionsDefinition(start_date="2000-01-01", end_offset=1)

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
