"""The Dagster instance of a home: the folder where the history of runs is kept.

What belongs here: making that folder, and mending what a killed process leaves in it. What does not: what runs in it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from ingestion.home import Home
from ingestion.lock import is_alive
from orchestration.resources import PROCESS_TAG

# A run that says nothing of its process for so long never came to its first step.
_BEGINS_WITHIN = timedelta(minutes=5)


def prepare_instance(home: Home) -> Path:
    """Make the folder of the Dagster instance, and point this process and its children at it and at the home."""
    folder = home.root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():  # an operator's changes stay
        shutil.copyfile(Path(__file__).with_name("dagster.yaml"), settings)
    os.environ["DAYBOOK_HOME"] = str(home.root)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def bury_dead_runs(instance: dg.DagsterInstance, jobs: Sequence[str]) -> None:
    """Report the runs whose process was killed as failed: Dagster would count them as started for hours.

    Whoever calls holds the writer lock, so that no such run is writing.
    """
    under_way = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    for job in jobs:
        for record in instance.get_run_records(dg.RunsFilter(job_name=job, statuses=under_way)):
            process = record.dagster_run.tags.get(PROCESS_TAG)
            age = datetime.now(UTC) - record.create_timestamp.astimezone(UTC)
            if not _may_be_alive(int(process)) if process else age > _BEGINS_WITHIN:
                instance.report_run_failed(record.dagster_run, "The process of this run was killed.")


def _may_be_alive(process: int) -> bool:
    return process != os.getpid() and is_alive(process)  # no run of this process is under way yet
