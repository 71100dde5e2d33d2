"""A night in one process: load, transform, check, publish, and say what came of it. Likewise the fit of topic mastery.

What belongs here: running the jobs by hand, in the order in which the schedule and the sensors run them, and the
summary. What does not: what the jobs do.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ingestion.contract import load_contracts
from ingestion.extracts import holds_files, not_read
from ingestion.home import Home
from ingestion.lock import writer_lock
from ingestion.memory import why_no_limit
from ingestion.retention import delete_quarantined_text
from ingestion.sources import SourcesError, check_environment, load_sources
from ingestion.storage import StorageError, lake_of, landing_of
from mastery.store import Store
from orchestration.assets import PUBLISHED_MARTS
from orchestration.checks import MASTERY_MODEL, stream_key
from orchestration.code_version import code_version
from orchestration.databases import Row, mart_rows, publication, working_books
from orchestration.definitions import build_defs
from orchestration.engines import EngineResource
from orchestration.history import keep_history_open
from orchestration.instance import bury_dead_runs, prepare_instance
from orchestration.jobs import JOBS, LOAD, MASTERY, REBUILD, TRANSFORM, load_config
from orchestration.partitions import DateRange
from orchestration.planning import (
    Outlook,
    Place,
    due_date,
    is_up_to_date,
    look,
    places_of,
    runs_of_the_night,
    within,
)
from orchestration.resources import Alert, AlertResource, Progress, failure_text
from orchestration.wording import counted

# The jobs' own log goes to the history of runs alone: what a person needs is in the progress lines and the summary.
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

_COLUMNS_OF_A_SAMPLE = 4  # of a failing row, as the summary shows it

# The tag that says by which command a run was started.
_COMMAND_TAG = "daybook/command"

_LAYOUT = "<system>/<YYYY-MM-DD>/<stream>[-anything].ndjson, .csv, .parquet"


@dataclass
class Night:
    """What the runs of one night came to."""

    started: float = field(default_factory=time.monotonic)
    loaded: list[tuple[str, str, date]] = field(default_factory=list)  # (system, stream, extract date)
    rows: dict[str, int] = field(default_factory=dict)  # of these, as the load counted them
    checks: list[dg.AssetCheckEvaluation] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wanted: set[Place] = field(default_factory=set)  # what was to be loaded
    warnings: list[str] = field(default_factory=list)  # what lies in landing and is no extract
    descriptions: dict[dg.AssetCheckKey, str] = field(default_factory=dict)  # of the checks
    is_unchanged: bool = False  # the published marts are what would be built; none was
    published: bool = False
    refit: dict[str, Any] = field(default_factory=dict)  # what the fit of topic mastery tells of itself

    @property
    def is_good(self) -> bool:
        """Whether everything that had to work worked."""
        return not self.failures and not any(check.blocking and _is_error(check) for check in self.checks)


def nightly(home: Home, first: date | None = None, last: date | None = None) -> int:
    """Load what is new or changed (or every date from `first` to `last`, again if need be), build, check, publish."""
    if not _can_build(home, loads=True):
        return 2
    night = Night()
    prepare_instance(home)
    with writer_lock(home, "make nightly", report=_say):
        delete_quarantined_text(home, datetime.now(UTC))
        outlook = outlook_of(home)
        if outlook is None:
            return 1
        night.warnings += outlook.warnings
        if first or last:
            found, due = outlook.landing, None
        else:
            found, due = outlook.pending, due_date(outlook.loads, datetime.now(UTC).replace(tzinfo=None))
        wanted = within(found, DateRange(first or date.min, last or date.max))
        night.wanted |= places_of(wanted)
        _say(f"{counted(len({e.extract_date for e in wanted}), 'date')} to load")
        streams = [s for c in load_contracts().values() for s in c.streams]
        runs = runs_of_the_night(outlook, wanted, streams, due)
        code = code_version()
        with _quiet(home) as progress, dg.DagsterInstance.get() as instance:
            bury_dead_runs(instance, JOBS)
            tags = {_COMMAND_TAG: "nightly"}
            defs = build_defs(progress=progress) if runs or not is_up_to_date(home, code) else dg.Definitions()
            for run in runs:
                config = load_config(run.streams, only_new=not (first or last))
                keys = [stream_key(stream) for stream in run.streams]
                _run(night, defs, instance, LOAD, tags | run.dates.tags, config, keys)
            # The marts, and what the checks say of them, are a function of the lake and the code.
            night.is_unchanged = is_up_to_date(home, code)
            if not night.is_unchanged:
                _run(night, defs, instance, TRANSFORM, tags)
        return _summary(home, night)


def rebuild(home: Home) -> int:
    """Drop the warehouse, build every mart from the lake alone, check and publish."""
    if not _can_build(home):
        return 2
    night = Night()
    prepare_instance(home)
    with writer_lock(home, "make rebuild", report=_say):
        with _quiet(home) as progress, dg.DagsterInstance.get() as instance:
            bury_dead_runs(instance, JOBS)
            _run(night, build_defs(progress=progress), instance, REBUILD, {_COMMAND_TAG: "rebuild"})
        return _summary(home, night)


def mastery(home: Home, champion: str | None = None) -> int:
    """Fit a challenger for topic mastery, promote or keep it, build, check, publish; or only go back to a model."""
    if not _can_build(home):
        return 2
    if not home.marts.exists():
        _say(
            f"make mastery: {home.marts} is not there: there are no attempts to fit a model on. Run make nightly first"
        )
        return 2
    night = Night()
    prepare_instance(home)
    with writer_lock(home, "make mastery", report=_say):
        tags = {_COMMAND_TAG: "mastery"}
        with _quiet(home) as progress, dg.DagsterInstance.get() as instance:
            bury_dead_runs(instance, JOBS)
            defs = build_defs(progress=progress)
            if champion is None:
                _run(night, defs, instance, MASTERY, tags)
                for name in ("held_out", "decision"):
                    if name in night.refit:
                        progress.tell(f"\n{night.refit[name]}", last=True)  # stdout is theirs
                if night.is_good and not {"held_out", "challenger"} & night.refit.keys():  # there is nothing to score
                    return 0
            else:
                try:
                    Store(home).promote(champion)
                except LookupError as error:
                    known = ", ".join(Store(home).versions())
                    progress.tell(f"make mastery: {error}; those that are kept: {known or 'none'}", last=True)
                    return 2
                progress.tell(f"{champion} is the champion from now on", last=True)
            if night.is_good:
                _run(night, defs, instance, TRANSFORM, tags)
        return _summary(home, night)


def _can_build(home: Home, loads: bool = False) -> bool:
    """Whether the engine and room to write are there; if not, say what is missing before anything is loaded."""
    missing = (
        _why_no_sources(home, loads)
        or home.why_unwritable()
        or why_no_limit()
        or EngineResource().why_unavailable(home)
    )
    if missing:
        _say(missing)
    return missing is None


def _why_no_sources(home: Home, loads: bool) -> str | None:
    try:
        sources = load_sources(home)
        if loads:  # what builds from the lake alone needs no password of a database
            check_environment(sources)
    except SourcesError as error:
        return str(error)
    return None


def _run(
    night: Night,
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    tags: Mapping[str, str],
    config: Mapping[str, Any] | None = None,
    keys: Sequence[dg.AssetKey] | None = None,
) -> None:
    """Run a job here, and note what came of it."""
    for held in defs.assets or ():
        if isinstance(held, dg.AssetsDefinition):
            night.descriptions |= {spec.key: spec.description or "" for spec in held.check_specs}
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        raise_on_error=False,
        run_config={**(config or {}), **_QUIET},
        tags=tags,
        asset_selection=keys,
    )
    night.checks += result.get_asset_check_evaluations()
    for event in result.all_events:
        if event.is_step_materialization:
            found = event.step_materialization_data.materialization
            if found.partition:
                system, stream = found.asset_key.path
                night.loaded.append((system, stream, date.fromisoformat(found.partition)))
            elif found.asset_key == PUBLISHED_MARTS:
                night.published = True
            elif found.asset_key == MASTERY_MODEL:
                night.refit = {name: value.value for name, value in found.metadata.items()}
        elif event.is_step_failure:
            night.failures.append(failure_text(event))
    if not result.success and not night.failures:
        night.failures.append(f"the run {result.run_id} of {job} failed; see it in the UI")


# The summary


def _summary(home: Home, night: Night) -> int:
    lines = ["", f"Daybook, {time.monotonic() - night.started:.0f} s", ""]
    lines += [*_loaded_lines(home, night), *not_read(night.warnings)]
    if night.is_unchanged:
        lines += _unchanged_lines(home)
    lines += _mart_lines(home)
    lines += _check_lines(night)
    if night.failures:
        lines += ["", "What failed:", *(f"  - {failure}" for failure in night.failures)]
    lines += ["", *_published_lines(home, night)]
    lines += [
        "UI         make ui, then http://127.0.0.1:3000",
    ]
    _say("\n".join(lines))
    if not night.is_good:
        AlertResource().post(Alert("Daybook: the night failed", "\n".join(night.failures)))
    return 0 if night.is_good else 1


def _published_lines(home: Home, night: Night) -> list[str]:
    if not home.published.exists():
        return ["published  nothing yet"]
    left = "" if night.published or night.is_unchanged else "  (left as it was)"
    return [f"published  {home.published}{left}", f"           {_query(home)}"]


def _unchanged_lines(home: Home) -> list[str]:
    since = publication(home)
    told = f"of {since['published_at']:%Y-%m-%d %H:%M} UTC" if since else ""
    return [f"built      nothing: neither the lake nor the code has changed since the publication {told}"]


def _query(home: Home) -> str:
    """A first look at the marts, as one types it: with the Python that runs here, which has DuckDB."""
    python = Path(sys.executable)
    python = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    code = f"import duckdb; duckdb.connect('{home.published}', read_only=True).table('marts.mart_catalog').show()"
    return f'{python} -c "{code}"'


def _loaded_lines(home: Home, night: Night) -> list[str]:
    dates = sorted({day for _, _, day in night.loaded})
    unread = len(night.wanted - set(night.loaded))
    failed = f"{counted(unread, 'extract')} could not be read" if unread else ""
    if not dates:
        return [f"loaded     no date: {failed or 'nothing was new'}"]
    span = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else f"{dates[0]}"
    loaded = set(night.loaded)
    books = [row for row in working_books(home) if (row["system"], row["stream"], row["extract_date"]) in loaded]
    lines = [f"loaded     {counted(len(dates), 'extract date')}, {span}" + (f"; {failed}" if failed else "")]
    if len(books) == len(loaded):  # the transformation came as far as the books
        lines += [f"rows       {_counted(books)}"]
        by_stream: dict[str, list[Row]] = {}
        for row in books:
            by_stream.setdefault(f"{row['system']}/{row['stream']}", []).append(row)
        lines += [
            f"           {name:<30} {_counted(rows)}" for name, rows in sorted(by_stream.items()) if len(by_stream) > 1
        ]
    return lines


def _counted(books: Sequence[Row]) -> str:
    said = {
        name: sum(row[f"rows_{name}"] for row in books)
        for name in ("read", "accepted", "rejected", "duplicate", "conflict", "erased")
    }
    return ", ".join(f"{count:,} {name}" for name, count in said.items() if count or name not in ("conflict", "erased"))


def _mart_lines(home: Home) -> list[str]:
    lines = ["", "marts"]
    rows = mart_rows(home)
    if not rows:
        return [*lines, "  none yet"]
    width = max(map(len, rows))
    return [*lines, *(f"  {name:<{width}} {count:>12,}" for name, count in rows.items())]


def _check_lines(night: Night) -> list[str]:
    told = [check for check in night.checks if not check.passed]
    if night.is_unchanged and not night.checks:
        return []
    failed = sum(_is_error(check) for check in told)
    passed, warned = len(night.checks) - len(told), len(told) - failed
    lines = ["", f"checks     {passed} passed, {warned} warned, {failed} failed"]
    for check in sorted(
        told, key=lambda check: (check.severity.value, not check.blocking, check.asset_key, check.check_name)
    ):
        kind = "failed" if _is_error(check) else "warned"
        rest = " (does not block)" if _is_error(check) and not check.blocking else ""
        place = "/".join(check.asset_key.path)
        lines.append(f"  {kind} {place} {check.check_name}: {_reason(night, check)}{rest}")
    return lines


def _is_error(check: dg.AssetCheckEvaluation) -> bool:
    return not check.passed and check.severity is dg.AssetCheckSeverity.ERROR


def _reason(night: Night, check: dg.AssetCheckEvaluation) -> str:
    """What our own checks found; of a dbt test, how many rows failed, one of them, and the first sentence about it."""
    rows = check.metadata.get("dagster_dbt/failed_row_count")
    if check.description or rows is None:
        return check.description or ""
    about = night.descriptions.get(check.asset_check_key, "").partition(". ")[0].rstrip(".")
    told = counted(int(str(rows.value)), "failing row")
    sample = check.metadata.get("sample")
    if isinstance(sample, dg.TableMetadataValue) and sample.records:
        told += f", such as {_row_in_short(sample.records[0].data)}"
    return told + (f" ({about})" if about else "")


def _row_in_short(row: Mapping[str, object]) -> str:
    """The first columns of a row that say something."""
    said = [f"{name} {value}" for name, value in row.items() if value is not None]
    return ", ".join(said[:_COLUMNS_OF_A_SAMPLE])


def outlook_of(home: Home) -> Outlook | None:
    """What lies in landing and lake: in an empty home, demo extracts.

    None where only other files lie, and where a bucket cannot be reached; that is said.
    """
    try:
        outlook = look(home)
    except StorageError as error:
        _say(str(error))
        return None
    if outlook.landing or outlook.loads or load_sources(home).databases:  # whose first date may be to come
        return outlook
    if home.published.exists() or home.secret_key.exists():
        _say(f"{lake_of(home)} is empty, and this home is not: is a disk missing? No demo is written into it")
        return None
    landing = landing_of(home)
    is_configured = home.sources.exists() or landing != home.landing or lake_of(home) != home.lake
    if is_configured or holds_files(home.landing):  # somebody means to load rows of their own
        _say("\n".join([*not_read(outlook.warnings), f"no extract found in {landing}/ ({_LAYOUT})"]))
        return None
    from ingestion.demo import generate  # its libraries are for the one time that it is needed

    _say("landing is empty: writing demo extracts")
    written = generate(home)
    _say(f"wrote {written.rows:,} rows in {written.files} files to {home.landing}")
    return look(home)


# Lines on the way


def _say(line: str) -> None:
    print(line, flush=True)


@contextmanager
def _quiet(home: Home) -> Iterator[Progress]:
    """Give stdout to the progress lines alone. dbt's own lines go to the run's log."""
    keep_history_open()
    progress = Progress(sys.stdout)
    with (home.root / "dagster" / "nightly.log").open("w") as log, redirect_stdout(log):
        yield progress
