"""The schedule: the night.

What belongs here: when a run is asked for by the clock. What does not: which dates are new (`ingestion.extracts`) and
how they make runs (`planning`). The transformation is asked for by what a load leaves behind
(`sensors.marts_behind_lake`).
"""

from collections.abc import Sequence
from datetime import UTC

import dagster as dg

from ingestion.contract import Stream
from orchestration.jobs import LOAD, load_requests
from orchestration.partitions import last_date
from orchestration.planning import NIGHTLY_HOUR, dates_of_the_night, delivered_streams, look
from orchestration.resources import HomeResource


def build_nightly(streams: Sequence[Stream], extract_dates: dg.DailyPartitionsDefinition) -> dg.ScheduleDefinition:
    """The nightly load of every date that is new or changed, missed ones included."""

    @dg.schedule(
        name="nightly",
        cron_schedule=f"0 {NIGHTLY_HOUR} * * *",
        execution_timezone="UTC",
        job_name=LOAD,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Loads every extract date that is new or changed; the transformation follows by itself.",
    )
    def nightly(context: dg.ScheduleEvaluationContext, home: HomeResource) -> list[dg.RunRequest] | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC).replace(tzinfo=None)
        outlook = look(home.home)
        requests = load_requests(
            dates_of_the_night(outlook, last_date(extract_dates), now), delivered_streams(outlook, streams)
        )
        return requests or dg.SkipReason("every extract in landing is loaded as it lies there, and none is due")

    return nightly
