"""The guide's queries: the rows behind a number add up to it, and lie where they say, as plain Python finds them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.demo import generate
from ingestion.home import Home
from ingestion.lock import writer_lock
from mastery.attempts import read_attempts
from mastery.evaluate import evaluate
from mastery.store import Store
from orchestration.__main__ import main
from orchestration.databases import Connection, rows_of
from orchestration.publish import publish
from orchestration.trace import GUIDE, Query, figures, read_guide, trace, trace_connection
from tests.integration.warehouse import Warehouse
from tests.reference import Model, Row
from tests.reference.marts.mastery import attempt_predictions
from tests.reference.models import champion
from tests.reference.reading import REFERENCE_IDENTITY, assessment_event, collaboration_event, timestamp

ROOT = Path(__file__).resolve().parents[2]
QUERIES = read_guide()
FIRST_DAY = date(2026, 1, 5)
# Files hold these as JSON text where a cell holds one value.
NESTED = ("properties", "payload", "payload_json", "data", "metadata", "events")
# Rows with these verdicts are no events, and have no id.
REJECTED = ("malformed", "batch_too_large", "unknown_event_type", "missing_field", "invalid_field")
REJECTED += ("payload_too_large", "timestamp_out_of_range")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The demo in every format and with every fault, published, with figures of a model whose numbers are known."""
    root = tmp_path_factory.mktemp("trace")
    warehouse = Warehouse(root / "home", target=root / "target")
    generate(warehouse.home, learners=25, days=12, seed=7)
    warehouse.promote(model_of(warehouse.home))
    warehouse.load()
    warehouse.build()
    with duckdb.connect(str(warehouse.home.marts), read_only=True) as con:
        attempts = read_attempts(con)
    store = Store(warehouse.home)
    store.save_figures(evaluate(attempts, [store.champion()], date(2026, 1, 17)))
    warehouse.dbt("run", "--select", "mastery_evaluation")
    publish(warehouse.home)
    return warehouse


def model_of(home: Home) -> Model:
    """A model that knows some of the demo's topics and questions."""
    folder = home.landing / "study" / str(FIRST_DAY)
    topics = [row["topic_id"] for row in documents(folder / "topics.csv")]
    return champion(topics, [row["question_id"] for row in documents(folder / "questions.csv")])


@pytest.fixture
def con(warehouse: Warehouse) -> Iterator[Connection]:
    with trace_connection(warehouse.home) as con:
        yield con


# --- plain Python ---------------------------------------------------------------------------------------------------


@cache
def documents(path: Path) -> list[dict[str, Any] | None]:
    """The rows of a file, the first one first; None where a line is blank, or is no JSON object."""
    if path.name.endswith(".parquet"):
        return [document(row) for row in pq.read_table(path).to_pylist()]
    content = path.read_bytes()
    if path.name.endswith(".gz"):
        content = gzip.decompress(content)
    elif path.name.endswith(".zst"):
        content = pa.CompressedInputStream(pa.BufferReader(content), "zstd").read()
    text = content.decode("utf-8-sig", errors="replace")
    if ".csv" in path.name:
        head, *records = [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells]
        return [document(dict(zip(head, cells, strict=True))) if len(cells) == len(head) else None for cells in records]
    return [line_document(line) for line in text.split("\n")]


def line_document(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def document(row: dict[str, Any]) -> dict[str, Any]:
    """A row of cells or typed values as the same row would come in a line of JSON."""
    found = {}
    for name, value in row.items():
        if value in (None, ""):
            continue
        if isinstance(value, datetime):
            value = value.replace(tzinfo=None).isoformat() + "Z"
        elif isinstance(value, dict):
            value = document(value)
        elif name in NESTED and isinstance(value, str) and value.startswith("{"):
            value = json.loads(value)
        found[name] = value
    return found


def identity(system: str, stream: str, name: str, line: int, index: int, found: dict[str, Any]) -> str | None:
    """What identifies a row, from nothing but the row; None for a textbook event without an id: its hash has a key."""
    row = Row(system, stream, FIRST_DAY, name, line, index, found)
    if (system, stream) in REFERENCE_IDENTITY:
        return "|".join(found[part].lower() for part in REFERENCE_IDENTITY[system, stream])
    if system == "collaboration":
        return str(collaboration_event(row).event.event_id)
    if stream == "batches":
        return str(assessment_event(row).event.event_id)
    stated = found.get({"assessment": "id", "recommendation": "event_key"}.get(system, "event_id"))
    return stated.lower() if stated and system in ("study", "assessment") else stated


def assert_lies_there(landing: Path, row: dict[str, Any]) -> None:
    """The row is at its line of its file, with its id."""
    system, day, name = row["file"].split("/")
    assert day == str(row["extract_date"])
    lies = documents(landing / row["file"])[row["line"] - 1]
    if row["event_id"] is None:
        assert row["verdict"] in REJECTED
        assert lies is not None or row["verdict"] == "malformed"
        return
    assert lies is not None
    known = identity(system, name.split(".")[0].split("-")[0], name, row["line"], row["batch_index"], lies)
    if known is None:
        assert row["event_id"].startswith("h-")
        assert (lies["event_type"], timestamp(lies["timestamp"])) == (row["event_type"], row["event_ts"])
    else:
        assert known == row["event_id"]


# --- the guide ------------------------------------------------------------------------------------------------------


def keys_to_trace(con: Connection, query: Query) -> list[dict[str, str]]:
    """Two rows of the mart by hash, and for each number of the query the row that has most of it."""
    if not query.parameters:
        return [{}]
    of_row = ", ".join(f"cast({name} as varchar) as {name}" for name in query.parameters)
    orders = [f"{column} desc nulls last, " for column in query.figures]
    chosen: list[dict[str, str]] = []
    for order, most in [("", 2), *((order, 1) for order in orders)]:
        by_hash = f"md5(concat_ws('|', {', '.join(query.parameters)}))"
        found = rows_of(con, f"select {of_row} from {query.mart} order by {order}{by_hash} limit {most}")
        chosen += [key for key in found if key not in chosen]
    return chosen


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.mart}.{next(iter(query.figures))}")
def test_rows_add_up_to_the_number_and_lie_where_they_say(query: Query, con: Connection, warehouse: Warehouse) -> None:
    keys = keys_to_trace(con, query)
    assert keys, f"no row of {query.mart} to trace"
    told = set()
    for key in keys:
        rows = trace(con, query.sql, key)
        for figure in figures(con, query, key, rows):
            assert figure.traced == figure.in_mart, f"{query.mart}.{figure.column} of {key}"
            if figure.in_mart:
                told.add(figure.column)
        if "line" in rows.column_names:
            for row in rows.to_pylist():
                assert_lies_there(warehouse.home.landing, row)
    assert told, "all numbers are zero"


def test_every_mart_and_every_column_is_told_of(warehouse: Warehouse) -> None:
    """By a query that adds up to it, or by name in the mart's section. Keys are the queries' parameters."""
    assert {query.mart for query in QUERIES} == set(warehouse.marts())
    sections = {part.split("`")[0]: part for part in GUIDE.read_text().split("\n### `")[1:]}
    for mart in warehouse.marts():
        queries = [query for query in QUERIES if query.mart == mart]
        known = {column for query in queries for column in (*query.figures, *query.parameters)}
        missing = [name for name in warehouse.mart(mart)[0] if name not in known and f"`{name}`" not in sections[mart]]
        assert not missing, f"{mart}: {missing}"


def test_predictions_follow_from_the_traced_rows_alone(con: Connection, warehouse: Warehouse) -> None:
    """What the reference predicts from no more than these rows is what the mart says."""
    (query,) = [query for query in QUERIES if query.mart == "attempt_predictions"]
    model = model_of(warehouse.home)
    predicted = rows_of(
        con, "select attempt_id, predicted_correct from attempt_predictions order by md5(attempt_id) limit 25"
    )
    for mart in predicted:
        attempts = [
            {**row, "attempt_id": row["event_id"], "attempted_at": row["event_ts"]}
            for row in trace(con, query.sql, {"attempt_id": mart["attempt_id"]}).to_pylist()
        ]
        last = attempt_predictions(attempts, model)[-1]
        assert last["attempt_id"] == mart["attempt_id"]
        assert float(last["predicted_correct"]) == pytest.approx(mart["predicted_correct"], abs=2e-9)


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def home(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("DAYBOOK_HOME", str(warehouse.home.root))
    return warehouse.home


def test_the_command_shows_rows_and_sum_and_show_the_row(
    home: Home, con: Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    (most,) = rows_of(con, "select user_id, date, searches from daily_user_stats order by 3 desc, 1, 2 limit 1")
    con.close()
    assert main(["trace", "daily_user_stats.searches", f"user_id={most['user_id']}", f"date={most['date']}"]) == 0
    printed = capfd.readouterr()
    assert f"daily_user_stats.searches = {most['searches']} = count(*) filter" in printed.out
    assert "daily_user_stats.xp_earned" not in printed.out
    assert f"study/{most['date']}/events" in printed.out
    assert printed.err == ""


def test_a_query_of_ones_own_comes_as_csv(
    home: Home, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.stdin", io.StringIO("select verdict, count(*) as n from landed where system = $s group by 1")
    )
    assert main(["trace", "-", "s=textbook", "--csv"]) == 0
    head, *rows = csv.reader(io.StringIO(capfd.readouterr().out))
    assert head == ["verdict", "n"]
    assert "accepted" in dict(rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trace", "no_mart"], "no_mart: the guide has no such mart"),
        (["trace", "topics.colour"], "topics.colour: no query adds up to it; those of the mart add up to topic_name,"),
        (["trace", "topics"], "the query takes topic_id=…"),
        (["trace", "topics", "topic_id=none"], "topics: no such row"),
    ],
)
def test_what_cannot_be_traced_is_said(
    home: Home, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    assert message in capfd.readouterr().err


def test_without_a_warehouse_nothing_is_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path / "wrong"))
    assert main(["trace", "mart_as_of"]) == 2
    assert "nothing was built on DuckDB yet" in capfd.readouterr().err
    assert not (tmp_path / "wrong").exists()


def test_while_a_night_writes_the_trace_waits_and_says_for_whom(home: Home, capfd: pytest.CaptureFixture[str]) -> None:
    held = f"""
import pathlib, time
from ingestion.home import Home
from ingestion.lock import writer_lock
with writer_lock(Home(pathlib.Path({str(home.root)!r})), "make nightly"):
    print("held", flush=True)
    time.sleep(2)
"""
    with subprocess.Popen([sys.executable, "-c", held], cwd=ROOT, stdout=subprocess.PIPE, text=True) as night:
        assert night.stdout is not None
        assert night.stdout.readline() == "held\n"
        assert main(["trace", "mart_as_of"]) == 0
        assert night.wait() == 0
    assert capfd.readouterr().err.startswith("waiting for make nightly (process ")


def test_a_lake_that_is_ahead_is_told_of(home: Home, warehouse: Warehouse, capfd: pytest.CaptureFixture[str]) -> None:
    """The last test of the module: it loads a date again."""
    assert main(["trace", "mart_as_of"]) == 0
    assert "is older" not in capfd.readouterr().err
    with writer_lock(home, "test"):
        warehouse.load_again(date(2026, 1, 9))
        assert main(["trace", "mart_as_of"]) == 0
    assert "what is published is older than the lake" in capfd.readouterr().err
