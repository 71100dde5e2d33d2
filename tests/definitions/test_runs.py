"""The jobs `load` and `mastery`, run as the schedules and the UI run them, on a home of its own."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ingestion.contract import load_contracts
from ingestion.home import Home
from ingestion.ledger import active_loads
from orchestration.definitions import build_defs
from orchestration.instance import bury_dead_runs
from orchestration.jobs import JOBS, LOAD, MASTERY, load_config
from orchestration.partitions import DateRange, build_extract_dates
from orchestration.planning import look, runs_of_the_night
from orchestration.resources import PROCESS_TAG, HomeResource, Progress, Writer, failure_text
from tests.unit.mastery.test_refit import make_marts, measure
from tests.unit.mastery.test_store import model

EVENTS = dg.AssetKey(["study", "events"])
TOPICS = dg.AssetKey(["study", "topics"])
ALL_STREAMS = [s for c in load_contracts().values() for s in c.streams]
STREAMS = [s for s in ALL_STREAMS if (s.system, s.name) in {("study", "events"), ("study", "topics")}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def definitions(home: Home) -> dg.Definitions:
    root = str(home.root)
    return build_defs(home=HomeResource(root=root), writer=Writer(root=root))


def deliver(home: Home, day: int, rows: int = 3, bad: int = 0) -> None:
    folder = home.landing / "study" / f"2026-03-{day:02}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(event(day, number)) for number in range(rows)] + ["{"] * bad
    (folder / "events.ndjson").write_text("".join(line + "\n" for line in lines))


def event(day: int, number: int) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-4000-8000-{day:06}{number:06}",
        "event_type": "search_performed",
        "event_ts": f"2026-03-{day:02}T10:{number:02}:00Z",
        "user_id": "00000000-0000-4000-8000-000000000001",
        "properties": {"search_type": "keyword"},
    }


def load(
    definitions: dg.Definitions,
    first: int,
    last: int,
    only_new: bool = False,
    instance: dg.DagsterInstance | None = None,
) -> dg.ExecuteInProcessResult:
    taken = DateRange(date(2026, 3, first), date(2026, 3, last))
    return definitions.resolve_job_def(LOAD).execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags=taken.tags,
        asset_selection=[EVENTS, TOPICS],
        run_config=load_config(STREAMS, only_new),
    )


def loaded(result: dg.ExecuteInProcessResult) -> list[str]:
    events = [event for event in result.all_events if event.is_step_materialization]
    return [str(event.step_materialization_data.materialization.partition) for event in events]


def check(result: dg.ExecuteInProcessResult, name: str) -> dg.AssetCheckEvaluation:
    return next(e for e in result.get_asset_check_evaluations() if e.asset_key == EVENTS and e.check_name == name)


def test_a_range_in_one_run(definitions: dg.Definitions, home: Home) -> None:
    for day in (1, 2, 4):
        deliver(home, day)
    result = load(definitions, 1, 4)
    assert result.success
    assert loaded(result) == ["2026-03-01", "2026-03-02", "2026-03-04"]
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())


def test_progress_says_what_is_loaded(home: Home) -> None:
    """A night with snapshots told "load study/topics: 1 of 1 date" again and again, and not of which.

    On a slow machine the dates before a stream's last one are told too.
    """
    out = io.StringIO()
    writer, progress = Writer(root=str(home.root)), Progress(out)
    definitions = build_defs(home=HomeResource(root=str(home.root)), writer=writer, progress=progress)
    deliver(home, 1)
    deliver(home, 3, rows=2)
    (home.landing / "study" / "2026-03-03" / "topics.ndjson").write_text("")
    load(definitions, 1, 3)
    told = [line for line in out.getvalue().splitlines() if "1 of 2 dates" not in line]
    assert sorted(told) == [
        "load study/events 2026-03-01 to 2026-03-03: 2 of 2 dates, 5 rows",
        "load study/topics 2026-03-03: 0 rows",
    ]


def test_only_the_dates_of_the_run(definitions: dg.Definitions, home: Home) -> None:
    for day in (1, 2, 3):
        deliver(home, day)
    assert loaded(load(definitions, 2, 2)) == ["2026-03-02"]


def test_only_what_is_new_where_that_is_asked(definitions: dg.Definitions, home: Home) -> None:
    deliver(home, 1)
    load(definitions, 1, 1)
    deliver(home, 2)
    assert loaded(load(definitions, 1, 2, only_new=True)) == ["2026-03-02"]
    assert loaded(load(definitions, 1, 2)) == ["2026-03-01", "2026-03-02"]


def test_dates_of_a_database(home: Home) -> None:
    """Loaded like any other; what the database adds to a date later is found by the run that the schedule asks for."""
    path = home.root / "app.db"
    with sqlite3.connect(path) as con:
        con.execute("create table events (received_at, event_id, event_type, event_ts, user_id, properties)")

    def receive(day: int, number: int) -> None:
        row = {"received_at": f"2026-03-{day:02} 12:00:00", **event(day, number)}
        row["properties"] = json.dumps(row["properties"])
        with sqlite3.connect(path) as con:
            con.execute(f"insert into events values ({', '.join('?' * len(row))})", list(row.values()))

    options = f"kind: database, url: 'sqlite:///{path}', table: events, received_at: received_at"
    home.sources.write_text(f"study:\n  events: {{{options}, from: 2026-03-01, to: 2026-03-03}}\n")
    receive(1, 1)
    receive(3, 2)
    definitions = build_defs(home=HomeResource(root=str(home.root)), writer=Writer(root=str(home.root)))
    [asset] = [a for a in definitions.resolve_all_asset_specs() if a.key == EVENTS]
    assert asset.metadata["source"] == "the table events of a database, by received_at, from 2026-03-01 to 2026-03-03"
    assert loaded(load(definitions, 1, 3, only_new=True)) == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert loaded(load(definitions, 1, 3, only_new=True)) == []
    receive(1, 3)
    nightly = definitions.get_schedule_def("nightly")
    at = datetime(2026, 3, 5, 2, tzinfo=UTC)
    context = dg.build_schedule_context(
        scheduled_execution_time=at, resources={"home": HomeResource(root=str(home.root))}
    )
    (asked,) = nightly(context)
    assert asked.tags == DateRange(date(2026, 3, 1), date(2026, 3, 3)).tags
    assert asked.asset_selection == [EVENTS]
    result = load(definitions, 1, 3, only_new=True)
    assert loaded(result) == ["2026-03-01"]
    assert check(result, "ledger_balances").passed
    assert [load.rows_at_source for load in active_loads(home).values() if load.extract_date.day == 1] == [2]


def test_a_failing_date_stops_neither_other_dates_nor_other_streams(definitions: dg.Definitions, home: Home) -> None:
    for day in (1, 2, 3):
        deliver(home, day)
    (home.landing / "study" / "2026-03-02" / "events.ndjson").unlink()
    (home.landing / "study" / "2026-03-02" / "events.ndjson.gz").write_bytes(b"not gzip")
    topic = {"topic_id": "00000000-0000-4000-8000-000000000009", "name": "Fractions"}
    (home.landing / "study" / "2026-03-03" / "topics.ndjson").write_text(json.dumps(topic) + "\n")
    result = load(definitions, 1, 3)
    assert not result.success
    assert sorted(loaded(result)) == ["2026-03-01", "2026-03-03", "2026-03-03"]
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said
    assert said.description
    assert said.description.startswith(
        "1 of 3 dates of study/events could not be loaded: study/2026-03-02/events.ndjson.gz"
    )
    assert {load.extract_date.day for load in active_loads(home).values() if load.stream == "events"} == {1, 3}


def load_pending(home: Home, definitions: dg.Definitions, instance: dg.DagsterInstance) -> None:
    """Load what is new, in the runs that the schedule asks for."""
    outlook = look(home)
    for run in runs_of_the_night(outlook, outlook.pending, ALL_STREAMS):
        definitions.resolve_job_def(LOAD).execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags=run.dates.tags,
            asset_selection=[dg.AssetKey([stream.system, stream.name]) for stream in run.streams],
            run_config=load_config(run.streams, only_new=True),
        )


def test_only_the_failing_date_of_the_failing_stream_is_red_and_no_more_after_its_repair(
    definitions: dg.Definitions, home: Home
) -> None:
    for day in (1, 2, 3, 5):
        deliver(home, day)
    (home.landing / "study" / "2026-03-03" / "topics.ndjson").write_text("")
    broken = home.landing / "study" / "2026-03-02" / "events.ndjson"
    whole = broken.read_text()
    broken.rename(broken.with_name("events.ndjson.gz"))
    extract_dates = build_extract_dates(home)

    def status(key: dg.AssetKey) -> dict[int, str | None]:
        keys = [f"2026-03-{day:02}" for day in range(1, 6)]
        found = instance.get_status_by_partition(key, keys, extract_dates) or {}
        return {int(day[-2:]): state.value for day, state in found.items() if state}

    with dg.DagsterInstance.ephemeral() as instance:
        load_pending(home, definitions, instance)
        good = "MATERIALIZED"
        assert status(EVENTS) == {1: good, 2: "FAILED", 3: good, 5: good}
        assert status(TOPICS) == {3: good}
        broken.with_name("events.ndjson.gz").unlink()
        broken.write_text(whole)
        load_pending(home, definitions, instance)
        assert status(EVENTS) == {1: good, 2: good, 3: good, 5: good}
        assert status(TOPICS) == {3: good}


def test_a_run_whose_process_was_killed_is_reported_as_failed(definitions: dg.Definitions) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def(LOAD)
        killed, alive = (
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: str(process)})
            for process in (gone.pid, os.getppid())
        )
        bury_dead_runs(instance, JOBS)
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses[killed.run_id] is dg.DagsterRunStatus.FAILURE
    assert statuses[alive.run_id] is dg.DagsterRunStatus.STARTED


def test_the_check_of_a_bad_date_shows_which_rows_and_not_what_they_held(
    definitions: dg.Definitions, home: Home
) -> None:
    deliver(home, 1, rows=6, bad=3)
    result = load(definitions, 1, 1)
    rejection = check(result, "rejection_rate")
    assert result.success  # the rejection is shown; it stops nothing
    assert (rejection.passed, rejection.severity) == (False, dg.AssetCheckSeverity.ERROR)
    sample = rejection.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert [record.data["source_line"] for record in sample.records] == [7, 8, 9]
    assert set(sample.records[0].data) == {"extract_date", "source_file", "source_line", "reason", "detail"}
    assert sample.records[0].data["detail"] == "not valid JSON: it ends too early"


def test_no_check_shows_what_a_row_held(definitions: dg.Definitions, home: Home) -> None:
    """The sample of rejected rows showed the value at fault, and a text payload whole, in the run history."""
    folder = home.landing / "study" / "2026-03-01"
    folder.mkdir(parents=True)
    rows = [
        event(1, 1) | {"user_id": "Bobsecret"},
        event(1, 2) | {"event_type": "session_pause", "session_id": event(1, 1)["user_id"], "properties": "Bobsecret"},
        event(1, 3) | {"event_type": "Bobsecret"},
        event(1, 4) | {"properties": {"10.1.2.3": 1}},
    ]
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = load(definitions, 1, 1)
    sample = check(result, "rejection_rate").metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert {(record.data["source_line"], record.data["detail"]) for record in sample.records} == {
        (1, "user_id"), (2, "properties"), (3, "event_type"),
    }  # fmt: skip
    drift = check(result, "schema_drift").metadata["sample"]
    assert isinstance(drift, dg.TableMetadataValue)
    assert {(record.data["field"], record.data["kind"]) for record in drift.records} == {
        ("[ip]", "unknown_field"), ("event_type", "unknown_event_type"),
    }  # fmt: skip
    told = str([(found.description, found.metadata) for found in result.get_asset_check_evaluations()])
    assert "Bobsecret" not in told
    assert "10.1.2.3" not in told


def test_drift_of_an_extract_is_told_by_field_and_type(definitions: dg.Definitions, home: Home) -> None:
    """A new field beside the others, one in the payload, two whose names are taken, a new value and a new type."""
    known, new = event(1, 0), event(1, 1)
    new["properties"] = {"search_type": "voice", "mood": "glad", "event_ts": "noon"}
    new |= {"app": "web", "search_type": "keyword"}
    rows = [known, new, event(1, 2) | {"event_type": "search_abandoned"}]
    deliver(home, 1)
    assert check(load(definitions, 1, 1), "schema_drift").passed
    folder = home.landing / "study" / "2026-03-02"
    folder.mkdir()
    (folder / "events.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    drift = check(load(definitions, 2, 2), "schema_drift")
    assert (drift.passed, drift.severity) == (False, dg.AssetCheckSeverity.WARN)
    sample = drift.metadata["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    assert {
        (row.data["kind"], row.data["field"], row.data["event_type"], row.data["rows"]) for row in sample.records
    } == {
        ("unknown_field", "app", "search_performed", 1),
        ("unknown_field", "mood", "search_performed", 1),
        ("unknown_field", "event_ts", "search_performed", 1),
        ("unknown_field", "search_type", "search_performed", 1),
        ("unlisted_value", "search_type", "search_performed", 1),
        ("unknown_event_type", "event_type", "", 1),
    }


def test_a_missing_extract_is_noticed(definitions: dg.Definitions, home: Home) -> None:
    deliver(home, 1)
    load(definitions, 1, 1)
    folder = home.landing / "study" / "2026-03-02"
    folder.mkdir()
    (folder / "topics.ndjson").write_text("")
    result = load(definitions, 1, 2)
    assert not check(result, "extract_present").passed
    assert check(result, "freshness").metadata["days_behind"].value == 1


def test_a_second_writer_waits_and_says_so(definitions: dg.Definitions, home: Home) -> None:
    """Two runs at once ended in "Could not set lock" before there was one writer."""
    deliver(home, 1)
    hold = (
        "import sys, time\nfrom pathlib import Path\nfrom ingestion.home import Home\n"
        "from ingestion.lock import writer_lock\n"
        "with writer_lock(Home(Path(sys.argv[1])), 'the other run'): print('held', flush=True); time.sleep(3)"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(home.root)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with dg.DagsterInstance.ephemeral() as instance:
            result = load(definitions, 1, 1, instance=instance)
            said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert loaded(result) == ["2026-03-01"]
    assert any("waiting for the other run" in line for line in said)


def mastery(definitions: dg.Definitions) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(MASTERY).execute_in_process(raise_on_error=False)


def test_a_fit_without_marts_says_what_to_do(definitions: dg.Definitions, home: Home) -> None:
    (failure,) = [event for event in mastery(definitions).all_events if event.is_step_failure]
    assert "run make nightly first" in failure_text(failure)


def test_a_fit_shows_figures_a_table_and_a_plot(
    definitions: dg.Definitions, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_marts(home, learners=3, attempts=3)
    monkeypatch.setattr("mastery.fit.fit", lambda attempts, fitted_on: model("b"))
    monkeypatch.setattr("mastery.evaluate.calibration", lambda attempts, model: [(0.5, 0.4, 10)])
    measure(monkeypatch, shipped_1=0.6, b=0.55)
    result = mastery(definitions)
    assert result.success
    (made,) = result.asset_materializations_for_node("mastery_model")
    numbers = {name: value.value for name, value in made.metadata.items() if isinstance(value, dg.FloatMetadataValue)}
    assert numbers["mastery_log_loss"] == 0.55
    assert numbers["other_model_log_loss"] == 0.6
    assert numbers["topic_average_log_loss"] == 0.7
    for name, start in (("held_out", "| method"), ("calibration", "![calibration](data:image/svg+xml")):
        shown = made.metadata[name]
        assert isinstance(shown, dg.MarkdownMetadataValue)
        assert str(shown.value).startswith(start)
    (evaluation,) = result.get_asset_check_evaluations()
    # Its AUC is that of the naive method: not better.
    assert (evaluation.check_name, evaluation.passed) == ("mastery_beats_naive_methods", False)
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
