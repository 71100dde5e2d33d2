"""Homes that are measured: what is loaded into them, and where the time of a night went.

What belongs here: the commands of Daybook, run as processes of their own. What does not: what is made of their costs.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from benchmarks.clock import Cost, measure
from ingestion.home import Home
from orchestration.assets import PUBLISHED_MARTS
from orchestration.jobs import LOAD

_MODELS = {"model", "seed"}


@dataclass(frozen=True)
class Night:
    """One run of `make nightly`."""

    cost: Cost
    phases: Mapping[str, float]  # seconds, in the order of the night


def new_home(root: Path) -> Home:
    """An empty home, in place of what lies there."""
    shutil.rmtree(root, ignore_errors=True)
    home = Home(root)
    (home.landing / "study").mkdir(parents=True)
    return home


def deliver(pool: Path, home: Home, dates: list[date]) -> None:
    """Move extracts out of a pool of them into a home's landing zone."""
    for day in dates:
        (pool / "study" / str(day)).rename(home.landing / "study" / str(day))


def nightly(home: Home, environment: Mapping[str, str] | None = None) -> Night:
    """Run a night, and see where its time went."""
    began = time.time()
    cost = measure(
        [sys.executable, "-m", "orchestration", "nightly"],
        log=home.root / "nightly.log",
        environment={"DAYBOOK_HOME": str(home.root), **(environment or {})},
        spills=home.work,
    )
    return Night(cost, _phases(home, began, cost.seconds))


def imports() -> Cost:
    """Start the command of a night, and end before it looks at anything."""
    with TemporaryDirectory() as folder:
        return measure([sys.executable, "-c", "import orchestration.nightly"], Path(folder) / "log")


def _phases(home: Home, began: float, seconds: float) -> dict[str, float]:
    """Where the time of a night went, as Dagster and dbt have it."""
    with dg.DagsterInstance.from_config(str(home.root / "dagster")) as instance:
        runs = [run for run in instance.get_run_records() if (run.start_time or 0) >= began]
        steps = {
            stats.step_key: stats.end_time - stats.start_time
            for run in runs
            for stats in instance.get_run_step_stats(run.dagster_run.run_id)
            if run.dagster_run.job_name != LOAD and stats.start_time and stats.end_time
        }
    if not runs:
        return {"imports, and a look at landing and lake": seconds}
    spans = [(run.dagster_run.job_name, run.start_time or began, run.end_time or began) for run in runs]
    load = sum(end - start for job, start, end in spans if job == LOAD)
    phases = {
        "imports, and a look at landing and lake": min(start for _, start, _ in spans) - began,
        "load": load,
    }
    if "models" in steps:
        results = json.loads((home.work / "dbt" / "run_results.json").read_text())
        elapsed = float(results["elapsed_time"])
        of_models = sum(r["execution_time"] for r in results["results"] if r["unique_id"].split(".")[0] in _MODELS)
        of_all = sum(r["execution_time"] for r in results["results"])
        # dbt builds and tests side by side: the time between its first and its last node is shared out.
        phases["dbt's start and end"] = steps["models"] - elapsed
        phases["models"] = elapsed * of_models / of_all
        phases["tests"] = elapsed * (1 - of_models / of_all)
    phases["publish"] = steps.get(PUBLISHED_MARTS.to_python_identifier(), 0.0)
    phases["checks, and what is around the steps"] = seconds - sum(phases.values())
    return phases
