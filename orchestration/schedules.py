"""The schedules: the night, and the weekly fit of topic mastery.

What belongs here: when a run is asked for by the clock. What does not: which dates are new (`ingestion.extracts`) and
how they make runs (`planning`). The transformation is asked for by what a load leaves behind
(`sensors.marts_behind_lake`).
"""

from collections.abc import Sequence
from datetime import UTC

import dagster as dg

from ingestion.contract import Stream
from ingestion.extracts import not_read
from orchestration.jobs import LOAD, MASTERY, load_requests
from orchestration.partitions import DateRange
from orchestration.planning import NIGHTLY_HOUR, due_date, look, runs_in_doubt, runs_of_the_night, within
from orchestration.resources import HomeResource
from orchestration.wording import told_later


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
        outlook = look(home.home, ask_databases=False)
        for line in not_read(outlook.warnings):
            context.log.warning(line)
        dates = DateRange.of(extract_dates)
        wanted = within(outlook.pending, dates)
        if len(wanted) < len(outlook.pending):
            context.log.warning(told_later(len(outlook.pending) - len(wanted)))
        runs = runs_of_the_night(outlook, wanted, streams, due_date(outlook.loads, now))
        requests = load_requests([*runs, *runs_in_doubt(outlook, dates, streams)])
        return requests or dg.SkipReason("every extract in landing is loaded as it lies there, and none is due")

    return nightly


@dg.schedule(
    name="weekly_mastery",
    cron_schedule="0 4 * * 0",  # a week brings news of learners, and the hour is behind the night
    execution_timezone="UTC",
    job_name=MASTERY,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Fits a challenger for topic mastery; if it is promoted, or only measured, the transformation follows.",
)
def weekly_mastery(home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """The weekly fit, where there are marts to fit on."""
    return dg.RunRequest() if home.home.marts.exists() else dg.SkipReason("there are no marts to fit a model on yet")
