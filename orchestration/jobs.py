"""The jobs: which assets and checks a run takes.

What belongs here: selections and fixed configuration. What does not: when they run (`schedules`, `sensors`).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ingestion.contract import Stream
from orchestration.assets import load_op
from orchestration.checks import stream_key
from orchestration.planning import LoadRun

LOAD, TRANSFORM, REBUILD, MASTERY = JOBS = "load", "transform", "rebuild", "mastery"


def build_jobs(
    streams: Sequence[dg.AssetsDefinition],
    models: dg.AssetsDefinition,
    published: dg.AssetsDefinition,
    mastery_model: dg.AssetsDefinition,
) -> list[Any]:
    """The jobs; an asset brings its checks along."""
    warehouse = dg.AssetSelection.assets(models, published)
    return [
        dg.define_asset_job(
            LOAD,
            selection=dg.AssetSelection.assets(*streams),
            description="Load extract dates of the streams into the raw lake, one date or a range in one run.",
            executor_def=dg.in_process_executor,
        ),
        dg.define_asset_job(
            TRANSFORM,
            selection=warehouse,
            description="Build and test the models, check the books, publish the marts.",
            executor_def=dg.in_process_executor,
        ),
        dg.define_asset_job(
            REBUILD,
            selection=warehouse,
            config={"ops": {"models": {"config": {"from_lake_alone": True}}}},
            description="Drop the warehouse, build every mart from the lake alone, check, publish.",
            executor_def=dg.in_process_executor,
        ),
        dg.define_asset_job(
            MASTERY,
            selection=dg.AssetSelection.assets(mastery_model),
            description="Fit a challenger for topic mastery; promote it if it is no worse. `transform` re-scores.",
            executor_def=dg.in_process_executor,
        ),
    ]


def load_requests(runs: Sequence[LoadRun]) -> list[dg.RunRequest]:
    """Requests for runs of the job `load` that take what is new or changed."""
    return [
        dg.RunRequest(
            tags=run.dates.tags,
            asset_selection=[stream_key(stream) for stream in run.streams],
            run_config=load_config(run.streams, only_new=True),
        )
        for run in runs
    ]


def load_config(streams: Sequence[Stream], only_new: bool) -> dict[str, Any]:
    """The configuration of a run of the job `load` over some streams."""
    return {"ops": {load_op(stream): {"config": {"only_new": only_new}} for stream in streams}}
