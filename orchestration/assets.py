"""The assets: one a stream, the dbt models, the published marts behind them, and the model of topic mastery.

What belongs here: what materializing each of them does, and the metadata that it leaves. What does not: the loading
itself (`ingestion`), the models (`dbt_project`), the rules of the checks (`checks`), the swap of the published file
(`publish`).
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliInvocation, DbtCliResource, dbt_assets
from pydantic import Field

from ingestion.contract import Contract, Stream, raw_columns
from ingestion.extracts import Extract, ExtractError, discover, not_read
from ingestion.home import Home
from ingestion.ledger import Load
from ingestion.load import Loader, pending
from mastery.refit import NoAttempts, Refit, refit, table
from orchestration.checks import MASTERY_MODEL, check_stream, plain, stream_check_specs, stream_key
from orchestration.databases import Row, sign, unsign
from orchestration.engines import Engine, EngineResource
from orchestration.manifest import Prepared, columns_of_people
from orchestration.partitions import DateRange
from orchestration.plots import calibration_plot
from orchestration.publish import SCHEMA, publish
from orchestration.resources import Progress, SourcesResource, Writer
from orchestration.spark_connection import SparkUnavailable
from orchestration.translator import Translator
from orchestration.wording import counted, in_short

# The graph reads in one direction: lake -> the systems -> operations -> published.
LAKE = "lake"
LEDGER = dg.AssetKey([LAKE, "loads"])
LOAD_SOURCES = dg.AssetKey([LAKE, "load_sources"])
FAILED_LOADS = dg.AssetKey([LAKE, "failed_loads"])
EVENT_TYPES = dg.AssetKey([LAKE, "event_types"])
QUARANTINE = dg.AssetKey([LAKE, "quarantine"])
QUESTION_ATTEMPTS = dg.AssetKey([SCHEMA, "question_attempts"])
PUBLISHED_MARTS = dg.AssetKey(["published_marts"])


class LoadConfig(dg.Config):
    """How a run loads its dates."""

    only_new: bool = Field(
        default=False,
        description="Load only the dates whose extract is new or changed. By default every date of the run is loaded, "
        "again if it was loaded before.",
    )


class BuildConfig(dg.Config):
    """How a run builds the models."""

    from_lake_alone: bool = Field(
        default=False, description="Drop the warehouse and build every model anew from the raw lake (`make rebuild`)."
    )


# Streams


def load_op(stream: Stream) -> str:
    """The name of the step that loads a stream."""
    return f"load_{stream.system}_{stream.name}"


def build_stream_asset(
    contract: Contract, stream: Stream, extract_dates: dg.DailyPartitionsDefinition, source: str
) -> dg.AssetsDefinition:
    """The asset of one stream: its extract dates in the raw lake; `source` tells where they are read."""
    key = stream_key(stream)
    spec = dg.AssetSpec(
        key,
        description=stream.description,
        group_name=LAKE,
        kinds={"delta", "raw"},
        owners=[_owner(contract)] if contract.owner else [],
        skippable=True,
        metadata={
            "dagster/table_name": f"lake.raw.{stream.system}_{stream.name}",
            "source": source,
            "dagster/column_schema": dg.TableSchema(
                [dg.TableColumn(name, kind, description) for name, kind, description in raw_columns(stream)]
            ),
        },
    )

    @dg.multi_asset(
        name=load_op(stream),
        specs=[spec],
        check_specs=stream_check_specs(key),
        partitions_def=extract_dates,
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=f"Load extract dates of {stream.system}/{stream.name} into the raw lake.",
    )
    def load_stream(
        context: dg.AssetExecutionContext,
        config: LoadConfig,
        writer: Writer,
        sources: SourcesResource,
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[dg.AssetCheckResult]:
        name = f"{stream.system}/{stream.name}"
        keys = context.partition_keys
        taken = DateRange(date.fromisoformat(keys[0]), date.fromisoformat(keys[-1]))
        landing = discover(writer.home, system=stream.system)
        for line in not_read([w for w in landing.warnings if w.startswith(f"{stream.system}/")]):
            context.log.warning(line)
        own = stream.system, stream.name
        found = pending(writer.home, taken.first, taken.last, own) if config.only_new else landing.extracts
        extracts = [e for e in found if (e.system, e.stream) == own and e.extract_date in taken]
        if not extracts:
            what = "nothing new" if config.only_new else "no extract"
            context.log.info(f"{name}: {what} for {taken} in {sources.told(stream.system, stream.name)}")

        loads: list[Load] = []
        failed: list[str] = []
        with Loader(writer.home) as loader:
            for extract, outcome in loader.load_all(extracts):
                if isinstance(outcome, ExtractError):  # the other dates go on; the step fails when they are through
                    context.log.error(str(outcome))
                    failed.append(str(outcome))
                else:
                    loads.append(outcome)
                    # The dates one by one, and no output of the step: a date that was not loaded is not materialized.
                    metadata = _load_metadata(outcome)
                    context.log_event(
                        dg.AssetMaterialization(key, partition=str(extract.extract_date), metadata=metadata)
                    )
                progress.tell(_count_loads(extracts, loads, failed), len(loads) + len(failed) == len(extracts))
        now = datetime.now(UTC).replace(tzinfo=None)
        yield from check_stream(writer.home, stream, taken, [load.extract_date for load in loads], now)
        if failed:
            told = f"{len(failed)} of {counted(len(extracts), 'date')} of {name} could not be loaded: " + "; ".join(
                failed
            )
            raise dg.Failure(told, allow_retries=False)

    return load_stream


def _count_loads(extracts: Sequence[Extract], loads: Sequence[Load], failed: Sequence[str]) -> str:
    """How far the extracts of a stream are loaded: which, of one or of several dates, and how many rows."""
    first, last = extracts[0], extracts[-1]
    told = f"load {first.system}/{first.stream} {DateRange(first.extract_date, last.extract_date)}: "
    if len(extracts) > 1:
        told += f"{len(loads) + len(failed):,} of {counted(len(extracts), 'date')}, "
    told += counted(sum(load.rows_read for load in loads), "row")
    return told + (f", {len(failed):,} failed" if failed else "")


def _owner(contract: Contract) -> str:
    """The contract's owner as Dagster wants owners: an e-mail address, or a team."""
    return contract.owner if "@" in contract.owner else "team:" + re.sub(r"\W+", "-", contract.owner.lower())


def _load_metadata(load: Load) -> dict[str, Any]:
    drift = [
        dg.TableRecord({"field": d.field, "event_type": d.event_type, "kind": d.kind, "rows": d.rows})
        for d in load.drift[:10]
    ]
    return {
        "dagster/partition_row_count": load.rows_accepted,
        "rows_read": load.rows_read,
        "rows_accepted": load.rows_accepted,
        "rows_rejected": load.rows_rejected,
        **{f"rejected_{reason}": rows for reason, rows in load.rejected.items() if rows},
        "rows_erased": load.rows_erased,
        "files": load.files,
        "bytes": load.bytes,
        **({} if load.rows_at_source is None else {"rows_at_source": load.rows_at_source}),
        "load_id": load.load_id,
        **({"drift": dg.MetadataValue.table(drift)} if drift else {}),
    }


def lake_tables(streams: Sequence[Stream], owner: str) -> list[dg.AssetSpec]:
    """What the models see of the lake beside the streams: what each load writes, and the models of topic mastery."""
    tables = {
        LEDGER: "Where every row read went, a row a load.",
        LOAD_SOURCES: "Which clients the rows of each load came from.",
        FAILED_LOADS: "Extracts that could not be loaded, each time it was tried.",
        EVENT_TYPES: "The event types that the contracts of today declare.",
        QUARANTINE: "Rows that broke their contract, whole.",
    }
    deps = [stream_key(stream) for stream in streams]
    # Without an arrow from `mastery_model`, which is fitted on marts: the groups would point at each other in a circle.
    mastery = {
        "champion": "Which model of topic mastery scores.",
        "coefficients": "The coefficients of every model of topic mastery that is kept.",
        "difficulties": "How hard questions and topics are, by each model of topic mastery that is kept.",
        "evaluation": "How well models of topic mastery, and naive methods, predict: the newest figures.",
    }
    specs = [
        *(dg.AssetSpec(key, deps=deps, kinds={"delta", "raw"}, description=told) for key, told in tables.items()),
        *(dg.AssetSpec([LAKE, f"mastery_{name}"], kinds={"delta"}, description=told) for name, told in mastery.items()),
    ]
    return [spec.replace_attributes(group_name=LAKE, owners=[owner]) for spec in specs]


# Models


def build_model_assets(prepared: Prepared, streams: Sequence[Stream], code: str) -> dg.AssetsDefinition:
    """The dbt models and their tests, built by one dbt invocation, and signed with the version of the code."""
    translator = Translator(prepared.lineage)
    hidden = {name for stream in streams for name in (*stream.envelope_subjects, *stream.payload_subjects)}
    hidden |= columns_of_people(prepared.manifest)

    @dbt_assets(
        manifest=prepared.manifest,
        project=prepared.project,
        name="models",
        dagster_dbt_translator=translator,
    )
    def models(
        context: dg.AssetExecutionContext,
        config: BuildConfig,
        dbt: DbtCliResource,
        engine: EngineResource,
        writer: Writer,
        progress: dg.ResourceParam[Progress],
    ) -> Iterator[Any]:
        home = writer.home
        chosen = _chosen(engine, home)
        # No log file: dbt spends a second on it, and what it tells is in the run's log.
        # Checks that somebody runs by themselves look at all rows; those behind models, at what is news to them.
        command = "build" if context.selected_asset_keys else "test"
        args = ["--log-level-file", "none", command, "--exclude-resource-type", "unit_test"]
        if config.from_lake_alone:
            home.drop_models()
            args.append("--full-refresh")
        # Of a part of the models dbt would run every test that touches one of them, those of other models too.
        left = {spec.key for spec in models.check_specs} - context.selected_asset_check_keys
        if left:
            args += ["--exclude", " ".join(sorted(key.name for key in left))]
        unsign(home)
        artifacts = chosen.artifacts(home)
        (artifacts / "run_results.json").unlink(missing_ok=True)  # of the run before
        invocation = dbt.cli(args, context=context, raise_on_error=False, target_path=artifacts)
        # Nobody may look into the engine while dbt writes: rows are counted, and failures looked at, when it is done.
        events = []
        for event in invocation.stream():
            events.append(event)
            progress.tell(_count_events(events))
        progress.tell(_count_events(events), last=True)
        successful = invocation.is_successful()
        chosen.collect(home, prepared.manifest)
        yield from _with_findings(events, chosen, home, prepared.manifest, translator, invocation, hidden)
        if not successful:
            raise dg.Failure(_what_failed(invocation), allow_retries=False)
        if not left and context.selected_asset_keys >= models.keys:
            sign(home, code)

    return models


def _chosen(engine: EngineResource, home: Home) -> Engine:
    try:
        return engine.chosen(home)
    except (SparkUnavailable, ValueError) as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def _count_events(events: Sequence[object]) -> str:
    checked = [event for event in events if isinstance(event, dg.AssetCheckResult)]
    failed = sum(not check.passed and check.severity is dg.AssetCheckSeverity.ERROR for check in checked)
    built = sum(isinstance(event, dg.Output) for event in events)
    told = f"transform: {counted(built, 'model')} built, {counted(len(checked), 'test')} run"
    return told + (f", {failed} failed" if failed else "")


def _with_findings(
    events: Sequence[Any],
    engine: Engine,
    home: Home,
    manifest: Mapping[str, Any],
    translator: Translator,
    invocation: DbtCliInvocation,
    hidden: Collection[str],
) -> Iterator[Any]:
    """What dbt told, with row counts and lineage at the models and samples at the tests that failed."""
    if not home.marts.exists():  # dbt did not come so far
        yield from events
        return
    compiled = {result["unique_id"]: result.get("compiled_code") for result in _results(invocation)}
    with engine.findings(home) as findings:
        for event in events:
            unique_id = str(event.metadata["unique_id"].value) if "unique_id" in event.metadata else ""
            node = manifest["nodes"].get(unique_id)
            if isinstance(event, dg.Output) and node:
                extra: dict[str, Any] = {}
                rows = findings.rows(node) if node["config"]["materialized"] != "view" else None
                if rows is not None:
                    extra["dagster/row_count"] = rows
                lineage = translator.get_asset_spec(manifest, unique_id, None).metadata.get("dagster/column_lineage")
                if lineage is not None:
                    extra["dagster/column_lineage"] = lineage
                yield event.with_metadata({**event.metadata, **extra})
            elif isinstance(event, dg.AssetCheckResult) and not event.passed and node:
                sample = _without(hidden, findings.sample(node, compiled.get(unique_id)))
                yield event.with_metadata({**event.metadata, **({"sample": sample} if sample else {})})
            else:
                yield event


def _without(hidden: Collection[str], rows: Sequence[Row]) -> dg.TableMetadataValue | None:
    """Rows as metadata, without the columns that name a person."""
    shown = [{name: plain(value) for name, value in row.items() if name not in hidden} for row in rows]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in shown]) if shown else None


def _what_failed(invocation: DbtCliInvocation) -> str:
    """What did not pass, in one message, by dbt's own account."""
    told = [
        f"{result['unique_id'].split('.')[2]}: {in_short(result.get('message') or result['status'])}"
        for result in _results(invocation)
        if result["status"] in ("error", "fail", "runtime error")
    ]
    if told:
        return f"{len(told)} of the models and tests failed: " + "; ".join(told)
    return in_short(str(invocation.get_error()).rpartition("Errors parsed from dbt logs:")[2])


def _results(invocation: DbtCliInvocation) -> Sequence[Mapping[str, Any]]:
    """What dbt says of each node that it ran; nothing where it did not come so far."""
    try:
        return list(invocation.get_artifact("run_results.json")["results"])
    except FileNotFoundError:
        return []


# Publishing


def build_published_marts(models: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The published file, behind every mart and so behind every blocking check on one."""

    @dg.asset(
        key=PUBLISHED_MARTS,
        deps=[key for key in models.keys if key.path[0] == SCHEMA],
        group_name="published",
        owners=models.get_asset_spec(dg.AssetKey([SCHEMA, "mart_catalog"])).owners,  # who keeps what analysts read
        kinds={"duckdb"},
        description="The file that analysts open, `published/daybook.duckdb`: replaced in one step when every blocking "
        "check has passed.",
    )
    def published_marts(context: dg.AssetExecutionContext, writer: Writer) -> dg.MaterializeResult[None]:
        publication = publish(writer.home)
        rows = [dg.TableRecord({"table": name, "rows": count}) for name, count in publication.rows.items()]
        return dg.MaterializeResult(
            metadata={
                "path": dg.MetadataValue.path(str(publication.path)),
                "bytes": publication.bytes,
                "dagster/row_count": sum(publication.rows.values()),
                "tables": dg.MetadataValue.table(rows),
            }
        )

    return published_marts


# The model of topic mastery


@dg.asset(
    key=MASTERY_MODEL,
    deps=[QUESTION_ATTEMPTS],
    group_name="mastery",
    kinds={"python", "scikitlearn", "delta"},
    owners=["study-data@daybook.example"],
    description="The model behind topic mastery: a challenger is fitted on the attempts of all learners but the "
    "held-out ones, and replaces the champion if it predicts the held-out ones no worse. The lake keeps both.",
)
def mastery_model(writer: Writer) -> dg.MaterializeResult[None]:
    """Fit, measure, decide; the transformation scores with what was decided."""
    try:
        return dg.MaterializeResult(metadata=_refit_metadata(refit(writer.home)))
    except NoAttempts as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def _refit_metadata(done: Refit) -> dict[str, Any]:
    """The decision, the held-out figures as numbers that the UI plots over time, a table and a plot of them."""
    numbers: dict[str, float] = {}
    for f in done.figures:
        if f.split == "held_out":
            name = "other_model" if f.method == "mastery" and f.model_version != done.champion else f.method
            numbers |= {f"{name}_auc": f.auc, f"{name}_log_loss": f.log_loss, f"{name}_ece": f.ece}
    shown = table(done.figures, done.champion)
    return {
        "decision": done.told,
        "champion": done.champion,
        **numbers,
        **({"challenger": done.challenger} if done.challenger else {}),
        **({"held_out": dg.MetadataValue.md(shown)} if shown else {}),
        **({"calibration": dg.MetadataValue.md(calibration_plot(done.calibration))} if done.calibration else {}),
    }
