"""What Dagster loads: every asset, check, job, schedule, sensor and resource of Daybook.

What belongs here: putting them together. What does not: any of them. Loading takes no network, no database and no
secret.
"""

from pathlib import Path
from typing import Any

import dagster as dg

from ingestion.contract import load_contracts
from ingestion.home import Home
from orchestration import manifest
from orchestration.assets import (
    LAKE,
    build_model_assets,
    build_published_marts,
    build_stream_asset,
    lake_tables,
    mastery_model,
)
from orchestration.checks import MART_CHECKS, MASTERY_CHECKS
from orchestration.code_version import code_version
from orchestration.engines import EngineResource
from orchestration.jobs import build_jobs
from orchestration.partitions import build_extract_dates
from orchestration.resources import AlertResource, HomeResource, Progress, SourcesResource, Writer, dbt_cli
from orchestration.schedules import build_nightly, weekly_mastery
from orchestration.sensors import alert_on_failure, build_extracts_arrived, marts_behind_lake


def build_defs(project_dir: Path = manifest.PROJECT_DIR, **resources: Any) -> dg.Definitions:
    """Daybook's definitions; `resources` replace those of the same name."""
    contracts = load_contracts()
    streams = [stream for contract in contracts.values() for stream in contract.streams]
    prepared = manifest.prepare(project_dir)
    extract_dates = build_extract_dates(Home.from_env())
    sources = SourcesResource()
    stream_assets = [
        build_stream_asset(contract, stream, extract_dates, sources.told(stream.system, stream.name))
        for contract in contracts.values()
        for stream in contract.streams
    ]
    models = build_model_assets(prepared, streams, code_version())
    published = build_published_marts(models)
    return dg.Definitions(
        assets=[
            *stream_assets,
            *lake_tables(streams, manifest.owner_of(prepared.manifest, LAKE)),
            models,
            published,
            mastery_model,
        ],
        asset_checks=[*MART_CHECKS, *MASTERY_CHECKS],
        jobs=build_jobs(stream_assets, models, published, mastery_model),
        schedules=[build_nightly(streams, extract_dates), weekly_mastery],
        sensors=[build_extracts_arrived(streams, extract_dates), marts_behind_lake, alert_on_failure],
        resources={
            "home": HomeResource(),
            "sources": sources,
            "writer": Writer(),
            "progress": Progress(),
            "alerts": AlertResource(),
            "engine": EngineResource(),
            "dbt": dbt_cli(prepared.project),
            **resources,
        },
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Built when the code location loads, so that importing this module does nothing."""
    return build_defs()
