"""What runs and ticks are given: the home and its sources, the right to write, progress lines, dbt, the alert.

What belongs here: the resources, and nothing that knows assets or jobs. What does not: what is done with them.
"""

import json
import logging
import os
import re
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, TextIO

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject

from ingestion.home import Home
from ingestion.lock import writer_lock
from ingestion.sources import Sources, load_sources
from orchestration.history import keep_history_open

_log = logging.getLogger("daybook")

# The tag that says which process a run is in: a run whose process is gone has failed, whatever its status says.
PROCESS_TAG = "daybook/process"


class HomeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The folder that holds all state, for those who only read."""

    root: str | None = None  # by default the folder that DAYBOOK_HOME names

    @property
    def home(self) -> Home:
        """The paths below it."""
        return Home(Path(self.root).resolve()) if self.root else Home.from_env()


class SourcesResource(HomeResource):
    """Where the streams are read: what `sources.yaml` says now, without a secret."""

    @property
    def sources(self) -> Sources:
        """The configuration. Raises SourcesError."""
        return load_sources(self.home)

    def told(self, system: str, stream: str) -> str:
        """Where a stream is read."""
        sources = self.sources
        files = f"files of the landing zone {sources.landing}" if sources.landing else "files of the landing zone"
        return str(sources.databases.get((system, stream)) or files)


class Writer(HomeResource):
    """The right to write to the lake, the warehouse and the published file: held from a run's first step to its last.

    The in-process executor makes each resource once a run, so that nobody gets in between two steps. A second run
    waits.
    """

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:
        """Take the lock for as long as the run lasts."""
        keep_history_open()
        run = context.run
        what = f"the run {run.run_id[:8]} of {run.job_name}" if run else "a Dagster run"
        if run and context.instance:
            context.instance.add_run_tags(run.run_id, {PROCESS_TAG: str(os.getpid())})
        with writer_lock(self.home, what, report=context.log.info if context.log else print):
            yield self


class Progress:
    """Tells how far a long step is: one line at most every two seconds, and the last one always."""

    def __init__(self, out: TextIO | None = None) -> None:
        """Write to `out`; by default to stdout, which Dagster keeps with the run."""
        self._out = out
        self._told = time.monotonic()

    def tell(self, line: str, last: bool = False) -> None:
        """Write the line, unless one was written a moment ago."""
        now = time.monotonic()
        if last or now - self._told >= 2:
            self._told = now
            print(line, file=self._out or sys.stdout, flush=True)


def dbt_cli(project: DbtProject) -> DbtCliResource:
    """The dbt command of this installation, found also where it is not on PATH."""
    return DbtCliResource(project_dir=project, dbt_executable=dbt_executable())


def dbt_executable() -> str:
    """Our own entry point to dbt (`orchestration.dbt_command`), beside the Python that runs."""
    return str(Path(sysconfig.get_path("scripts")) / "daybook-dbt")


def failure_text(event: dg.DagsterEvent) -> str:
    """Why a step failed, in its own words."""
    failure = event.step_failure_data
    if failure.user_failure_data and failure.user_failure_data.description:
        return failure.user_failure_data.description
    told = failure.error.message if failure.error else event.message or "it does not say why"
    return " ".join(re.sub(r"^dagster\.[\w.]+: ", "", told).split())


@dataclass(frozen=True)
class Alert:
    """What somebody should look at. It names runs, dates and files; never the contents of a row."""

    title: str
    message: str
    run_id: str | None = None


class AlertResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where alerts go: to the log, and as JSON to a webhook where one is set."""

    webhook: str | None = None  # by default what DAYBOOK_ALERT_WEBHOOK names

    def send(self, alert: Alert) -> None:
        """To the log, and to the webhook."""
        _log.error("%s: %s", alert.title, alert.message)
        self.post(alert)

    def post(self, alert: Alert) -> None:
        """To the webhook, if there is one. That it does not answer is logged: an alert breaks nothing."""
        webhook = self.webhook or os.environ.get("DAYBOOK_ALERT_WEBHOOK")
        if not webhook:
            return
        try:
            request = urllib.request.Request(
                webhook, json.dumps(asdict(alert)).encode(), {"Content-Type": "application/json"}, method="POST"
            )
            with urllib.request.urlopen(request, timeout=10):
                pass
        except (OSError, ValueError) as error:
            _log.error("the alert did not reach the webhook: %s", error)
