"""The sensors: what follows by itself.

What belongs here: looking at landing, lake and runs, and asking for what `planning` decides. What does not: the
decisions.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from ingestion.contract import Stream
from ingestion.extracts import Extract, ExtractError, not_read, read_manifest
from ingestion.home import Home
from ingestion.lock import WriterBusyError, writer_lock
from orchestration.jobs import JOBS, LOAD, TRANSFORM, load_requests
from orchestration.partitions import DateRange
from orchestration.planning import (
    Attempt,
    arrivals,
    decide_transformation,
    lake_contents,
    lake_version,
    look,
    published_contents,
    read_sightings,
    runs_of_the_night,
    within,
    write_sightings,
)
from orchestration.resources import Alert, AlertResource, HomeResource, failure_text
from orchestration.wording import counted, told_later

_EVERY_SECONDS = 30

# The tag that says which loads a transformation was asked for.
_LAKE_TAG = "daybook/lake"


def build_extracts_arrived(
    streams: Sequence[Stream], extract_dates: dg.DailyPartitionsDefinition
) -> dg.SensorDefinition:
    """Loads an extract soon after it arrived, whole."""

    @dg.sensor(
        name="extracts_arrived",
        job_name=LOAD,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Loads dates whose extracts are whole: a manifest names the files, or they lie unchanged.",
    )
    def extracts_arrived(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.SensorResult:
        # That a database has changed a date is left to the schedule.
        outlook = look(home.home, ask_databases=False)
        pending = within(outlook.pending, DateRange.of(extract_dates))
        complete = frozenset(extract for extract in pending if _manifest_names_all(extract))
        found = arrivals(pending, complete, read_sightings(context.cursor), _now())
        requests = load_requests(runs_of_the_night(outlook, found.extracts, streams)) if found.extracts else []
        for line in not_read(outlook.warnings) if requests else ():
            context.log.warning(line)
        later = len(outlook.pending) - len(pending)
        waits = (
            f"{counted(found.waiting, 'date')} still arriving"
            if found.waiting
            else told_later(later)
            if later
            else "nothing new in landing"
        )
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(waits),
            cursor=write_sightings(found.sightings),
        )

    return extracts_arrived


@dg.sensor(
    name="marts_behind_lake",
    job_name=TRANSFORM,
    minimum_interval_seconds=_EVERY_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Builds, checks and publishes whenever the lake holds other loads, or other figures of models of topic "
    "mastery, than the published marts carry.",
)
def marts_behind_lake(context: dg.SensorEvaluationContext, home: HomeResource) -> dg.RunRequest | dg.SkipReason:
    """What follows a load or a fit. It looks at what they left, not at runs, so that it also follows one that died."""
    lake, published = lake_contents(home.home), published_contents(home.home)
    version = lake_version(lake)
    decision = decide_transformation(
        lake,
        published,
        list(_attempts(context.instance, version)),
        _is_writing(home.home),
        _now(),
    )
    if decision.reason:
        return dg.SkipReason(decision.reason)
    return dg.RunRequest(run_key=f"{version} {_now().date()} {decision.attempt}", tags={_LAKE_TAG: version})


@dg.run_failure_sensor(
    name="alert_on_failure",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=_EVERY_SECONDS,
    description="An alert for each failed run: to the log, and to the webhook DAYBOOK_ALERT_WEBHOOK where it is set.",
)
def alert_on_failure(context: dg.RunFailureSensorContext, alerts: AlertResource) -> None:
    """What failed, by the steps' own messages."""
    told = [failure_text(event) for event in context.get_step_failure_events()] or [context.failure_event.message or ""]
    run = context.dagster_run
    alerts.send(Alert(f"Daybook: {run.job_name} failed", "\n".join(told), run.run_id))


def _attempts(instance: dg.DagsterInstance, version: str) -> Iterator[Attempt]:
    """The runs that may be at it: transformations of these loads, and the newest of all jobs."""
    tagged = dg.RunsFilter(job_name=TRANSFORM, tags={_LAKE_TAG: version})
    for record in instance.get_run_records(tagged, limit=20):
        run = record.dagster_run
        yield Attempt(True, _naive(record.create_timestamp), run.is_finished)
    for job in JOBS:
        for record in instance.get_run_records(dg.RunsFilter(job_name=job), limit=5):
            yield Attempt(False, _naive(record.create_timestamp), record.dagster_run.is_finished)


def _is_writing(home: Home) -> bool:
    try:
        with writer_lock(home, "a look whether somebody writes", timeout=0):
            return False
    except WriterBusyError:
        return True


def _manifest_names_all(extract: Extract) -> bool:
    if extract.database is not None:  # its day has ended, with a grace
        return True
    try:
        manifest = read_manifest(extract.folder)
    except ExtractError:
        return False
    return manifest is not None and all(file.name in manifest for file in extract.files)


def _naive(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(tzinfo=None)


def _now() -> datetime:
    return _naive(datetime.now(UTC))
