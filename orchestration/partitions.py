"""The extract dates as Dagster partitions.

What belongs here: the partitions definition, and how a run is told which of them it takes. What does not: which dates
need a run (`planning`).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg

from ingestion.extracts import FIRST_DATE, discover
from ingestion.home import Home
from ingestion.lake import Lake
from ingestion.storage import StorageError

_log = logging.getLogger("daybook")


def build_extract_dates(home: Home) -> dg.DailyPartitionsDefinition:
    """Every day from the oldest in landing or lake up to today, and on to the newest in landing.

    Simulated data may run ahead of the clock. Where nothing lies yet, every day that can come is a partition: a server
    that was started on an empty home can load what arrives. So it is where a bucket cannot be reached: a server that
    starts just then is none the worse for it.
    """
    today = datetime.now(UTC).date()
    try:
        landing = {extract.extract_date for extract in discover(home).extracts}
        lake = {day for dates in Lake(home).active_loads().values() for day in dates}
    except StorageError as error:
        _log.warning("%s; every day from %s on is a partition", error, FIRST_DATE)
        landing, lake = set(), set()
    first, newest = min(landing | lake, default=FIRST_DATE), max(landing, default=today)
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(), end_offset=1 + max(0, (max(newest, first) - today).days)
    )


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

    @classmethod
    def of(cls, extract_dates: dg.DailyPartitionsDefinition) -> DateRange:
        """Every date that a run can take."""
        first, last = extract_dates.get_first_partition_key(), extract_dates.get_last_partition_key()
        assert first is not None
        assert last is not None
        return cls(date.fromisoformat(first), date.fromisoformat(last))

    def __contains__(self, day: date) -> bool:
        """Whether the run takes the date."""
        return self.first <= day <= self.last

    def __str__(self) -> str:
        """The range as people write it."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
