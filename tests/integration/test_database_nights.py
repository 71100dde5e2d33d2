"""A stream is the same whichever way it comes: the marts from a PostgreSQL, and from files with the same rows.

And a whole night over a database that is killed, and marts of an application's SQLite file.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest

from ingestion import ledger
from ingestion.database import resolve
from ingestion.demo import generate
from ingestion.demo.database import RECEIVED_AT, DoesNotFit, fill, row_of, sources_of
from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.lake import all_streams, find_stream
from ingestion.readers import read_documents
from tests import postgres
from tests.integration.commands import run, start
from tests.integration.warehouse import Warehouse

FIRST, DAYS = date(2026, 1, 5), 4
KILLED_ROWS = 20_000
SQLITE_ROWS = 3_000
DATES = [FIRST + timedelta(days=n) for n in range(DAYS)]
# What speaks of files, of bytes, and of when it was loaded or built: the two ways differ in it, and should.
ABOUT_THE_WAY = {
    "event_ledger": {"files", "bytes", "loaded_at"},
    "mart_catalog": {"bytes", "built_at"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.Server]:
    why_missing = postgres.why_missing()
    if why_missing is not None:
        pytest.skip(why_missing)
    with postgres.server() as running:
        yield running


@pytest.fixture
def url(server: postgres.Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("APP_PASSWORD", postgres.PASSWORD)
    return f"postgresql://postgres:${{APP_PASSWORD}}@127.0.0.1:{server.port}/postgres"


def write_what_fits(demo: Home, home: Home) -> None:
    """The demo's rows as NDJSON, each under the date on which it was received; without those that no column can hold.

    A database has every date of every stream, be it empty: so there is a file for each.
    """
    lines: dict[tuple[str, str, date], list[tuple[str, str]]] = defaultdict(list)
    with duckdb.connect() as con:
        for extract in discover(demo).extracts:
            stream = find_stream(extract.system, extract.stream)
            for file in extract.files:
                for piece in read_documents(con, stream, file.path):
                    for doc in piece["doc"].to_pylist():
                        try:
                            row_of(stream, doc)
                        except DoesNotFit:
                            continue
                        received = json.loads(doc).get(RECEIVED_AT, "") if stream.batch else ""
                        day = datetime.fromisoformat(received).date() if received else extract.extract_date
                        lines[extract.system, extract.stream, day].append((received, doc))
    for stream in all_streams():
        for day in DATES:
            path = home.landing / stream.system / str(day) / f"{stream.name}.ndjson"
            path.parent.mkdir(parents=True, exist_ok=True)
            found = sorted(lines[stream.system, stream.name, day], key=lambda line: line[0])
            path.write_text("".join(f"{doc}\n" for _, doc in found), encoding="utf-8")


def test_marts_from_a_database_are_those_from_files_with_the_same_rows(tmp_path: Path, url: str) -> None:
    """All streams of a demo with all its faults but those that no column can hold: broken lines, unknown fields."""
    demo = Home(tmp_path / "demo")
    generate(demo, learners=12, days=DAYS, seed=3, start=FIRST)
    files = Warehouse(tmp_path / "files", target=tmp_path / "target")
    write_what_fits(demo, files.home)
    _, left_out = fill(resolve(url), files.home)
    assert left_out == 0

    tables = Warehouse(tmp_path / "tables", target=tmp_path / "target")
    tables.home.sources.write_text(sources_of(url, DATES[0], DATES[-1]))
    for warehouse in (files, tables):
        warehouse.load()
        assert ledger.verify(warehouse.home) == []
        warehouse.build()
    [said] = tables.query(
        "select count(*) as loads, sum(rows_read) as rows, sum(rows_rejected) as rejected from event_ledger"
    )
    assert said["loads"] == DAYS * len(all_streams())
    assert said["rows"] > 3000 and said["rejected"] > 20

    assert tables.marts() == files.marts()
    assert sum(bool(files.mart(mart)) for mart in files.marts()) > 30
    for mart in files.marts():
        assert contents(tables, mart) == contents(files, mart), mart


def contents(warehouse: Warehouse, mart: str) -> list[dict[str, Any]]:
    left_out = ABOUT_THE_WAY.get(mart, set())
    rows = [{name: value for name, value in row.items() if name not in left_out} for row in warehouse.mart(mart)]
    for row in rows:
        if mart == "mart_catalog" and row["mart"] == "event_ledger":
            del row["content_hash"]  # of the columns that are left out, too
    return sorted(rows, key=repr)


def test_a_night_that_is_killed_in_mid_read_and_run_again_takes_every_row_once(
    tmp_path: Path, server: postgres.Server, url: str
) -> None:
    """Nothing of the date that was being read is kept, and nothing of it is missing or there twice after the next."""
    server.execute("create database killed")
    with server.connect("killed") as con:
        con.execute(
            "create table events (received_at timestamptz not null, event_id uuid, event_type text,"
            " event_ts timestamptz, user_id uuid, topic_id uuid, question_id uuid, properties jsonb)"
        )
        con.execute(
            f"""insert into events select at, md5(n::text)::uuid, 'question_submit', at, md5('u' || n % 50)::uuid,
                md5('t' || n % 7)::uuid, md5('q' || n % 90)::uuid, jsonb_build_object('is_correct', n % 3 > 0)
            from generate_series(0, {KILLED_ROWS - 1}) as n,
                lateral (select timestamptz '{FIRST} 00:00Z' + n * interval '2 days' / {KILLED_ROWS} as at)"""
        )
    home = Home(tmp_path / "home")
    home.root.mkdir()
    home.sources.write_text(source_of_events(f"{url.removesuffix('postgres')}killed"))
    night = start(home, "nightly")
    try:
        wait_for_a_reader(server, night)
    finally:
        os.killpg(night.pid, signal.SIGKILL)
    assert night.wait(timeout=60) == -signal.SIGKILL
    assert ledger.active_loads(home) == {}

    whole = run(home, "nightly")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    assert ledger.verify(home) == []
    with duckdb.connect(str(home.published), read_only=True) as marts:
        assert marts.execute(
            "select sum(rows_read), sum(rows_accepted), sum(rows_duplicate) from marts.event_ledger"
        ).fetchall() == [(KILLED_ROWS, KILLED_ROWS, 0)]
        of_marts = marts.execute("select date, user_id, questions_attempted from marts.daily_user_stats").fetchall()
    of_table = server.execute(
        "select (event_ts at time zone 'UTC')::date, user_id::text, count(*) from events group by 1, 2",
        database="killed",
    )
    assert sorted(of_marts) == sorted(of_table)


def test_marts_of_a_sqlite_file_take_every_row_once(tmp_path: Path) -> None:
    file = tmp_path / "app.db"
    first = datetime.combine(FIRST, datetime.min.time())
    rows = []
    for n in range(SQLITE_ROWS):
        at = (first + n * timedelta(days=2) / SQLITE_ROWS).isoformat(sep=" ")
        ids = [str(UUID(int=number)) for number in (1_000_000 + n, 100 + n % 50, 200 + n % 7, 300 + n % 90)]
        rows.append((at, "question_submit", at, *ids, json.dumps({"is_correct": n % 3 > 0})))
    with closing(sqlite3.connect(file)) as app, app:
        columns = "received_at, event_type, event_ts, event_id, user_id, topic_id, question_id, properties"
        app.execute(f"create table events ({columns})")
        app.executemany(f"insert into events values ({', '.join('?' * 8)})", rows)
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    warehouse.home.sources.write_text(source_of_events(f"sqlite:///{file}"))
    warehouse.load()
    assert ledger.verify(warehouse.home) == []
    warehouse.build("event_ledger", "daily_user_stats")
    [books] = warehouse.query(
        "select sum(rows_read) as read, sum(rows_accepted) as accepted, count(distinct extract_date) as dates"
        " from event_ledger"
    )
    assert books == {"read": SQLITE_ROWS, "accepted": SQLITE_ROWS, "dates": 2}
    of_marts = [
        (str(row["date"]), row["user_id"], row["questions_attempted"], row["questions_correct"])
        for row in warehouse.mart("daily_user_stats")
    ]
    with closing(sqlite3.connect(file)) as app:
        of_table = app.execute(
            "select date(event_ts), user_id, count(*), sum(properties ->> 'is_correct') from events group by 1, 2"
        ).fetchall()
    assert len(of_table) == 100
    assert sorted(of_marts) == sorted(of_table)


def source_of_events(url: str) -> str:
    """A `sources.yaml` whose events of the study app are the rows of a table `events`."""
    return (
        f"study:\n  events: {{kind: database, url: '{url}', table: events,"
        f" received_at: received_at, from: {FIRST}, to: {DATES[1]}}}\n"
    )


def wait_for_a_reader(server: postgres.Server, night: subprocess.Popen[str]) -> None:
    """Until the night has taken some rows of a date, and asks for more."""
    with server.connect("killed") as con:
        for _ in range(6_000):
            seen = con.execute(
                "select query from pg_stat_activity where application_name = 'daybook' and query ilike 'fetch%'"
            ).fetchall()
            if seen:
                return
            if night.poll() is not None:
                break
            time.sleep(0.005)
    raise AssertionError(f"no reader was seen; status {night.poll()}")
