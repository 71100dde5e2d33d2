"""Streams in a MariaDB, a real one: what it does otherwise than PostgreSQL."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ingestion import ledger
from ingestion.contract import Field
from ingestion.database import window
from ingestion.extracts import Extract, discover
from ingestion.home import Home
from ingestion.ledger import Load
from ingestion.load import Loader
from ingestion.sources import load_sources
from tests import mariadb
from tests.unit.ingestion.conftest import USERS, Query, event
from tests.unit.ingestion.databases import (
    EVENTS,
    FIRST,
    SECOND,
    MariaDB,
    attempts_of,
    failure,
    new_database,
    outcomes,
    today,
)

pytestmark = pytest.mark.skipif(mariadb.why_missing() is not None, reason=mariadb.why_missing() or "")

TOPIC = "20000000-0000-4000-8000-000000000001"


@pytest.fixture(scope="module")
def running() -> Iterator[mariadb.Server]:
    with mariadb.server() as server:
        yield server


@pytest.fixture
def database(running: mariadb.Server, home: Home, monkeypatch: pytest.MonkeyPatch) -> MariaDB:
    made: MariaDB = new_database(MariaDB, running, home, monkeypatch)
    return made


@pytest.fixture
def complaints(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What went wrong where nobody could catch it, and would be printed: the driver closes its cursors as they go."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: found.append((told.object, told.exc_value)))
    return found


def documents(home: Home, day: date = FIRST) -> list[dict[str, Any]]:
    """The rows of a date of `study.events`, numbers as they are spelled."""
    found = []
    with window(load_sources(home).databases["study", "events"], EVENTS, day) as opened:
        for table in opened.rows():
            for row in table.to_pylist():
                beside = {name: text for name, text in row.items() if name != "doc"}
                found.append(json.loads(row["doc"], parse_float=str, parse_int=str) | beside)
    return found


# Which rows


def test_a_date_is_its_half_open_window_to_the_microsecond(database: MariaDB, home: Home, query: Query) -> None:
    """Whatever time zone the server is in: it would show a timestamp, and compare it, in its own."""
    database.execute("set global time_zone = '+05:30'")
    try:
        day_before = FIRST - timedelta(days=1)
        for number, received in enumerate(
            [
                f"{day_before} 23:59:59.999999",
                f"{FIRST} 00:00:00.000000",
                f"{FIRST} 23:59:59.999999",
                f"{SECOND} 00:00:00.000000",
                f"{SECOND} 23:59:59.999999",
                f"{today()} 00:00:00.000000",
            ]
        ):
            database.put([event(number)], received)
        read = "select extract_date, right(event_id, 1) from lake.raw.study_events order by all"
        expected = [(FIRST, "1"), (FIRST, "2"), (SECOND, "3"), (SECOND, "4")]
        found = outcomes(home)
        assert all(isinstance(outcome, Load) for outcome in found.values()), found
        assert query(read) == expected
        # A date and time without a zone is UTC.
        database.execute("alter table study_events modify received_at datetime(6) not null")
        with Loader(home) as loader:
            assert [out.rows_read for _, out in loader.load_all(pending_again(home)) if isinstance(out, Load)] == [2, 2]
        assert query(read) == expected
    finally:
        database.execute("set global time_zone = 'SYSTEM'")
    assert ledger.verify(home) == []


def pending_again(home: Home) -> list[Extract]:
    """Every date, loaded or not."""
    return list(discover(home).extracts)


@pytest.mark.parametrize("scheme", ["mariadb", "mysql"])
def test_rows_come_in_the_order_of_receive_time_and_key(
    database: MariaDB, home: Home, query: Query, scheme: str
) -> None:
    """By either name of the database, which is the name that the rows have for a file."""
    url = f"{scheme}://daybook:${{APP_PASSWORD}}@127.0.0.1:{database.server.port}/{database.name}"
    database.configure(url=url, key=["event_id"])
    database.put([event(3), event(1)], f"{FIRST} 11:00:00")
    database.put([event(2)], f"{FIRST} 10:00:00")
    outcomes(home)
    read = "select source_file, source_line, right(event_id, 1) from lake.raw.study_events order by 2"
    name = f"{scheme}:study_events"
    assert query(read) == [(name, 1, "2"), (name, 2, "1"), (name, 3, "3")]


# How values arrive


def test_values_are_spelled_exactly(database: MariaDB, home: Home) -> None:
    """Numbers to the last digit, times in UTC whatever zone the server is in; JSON, which is a text here, as text."""
    database.execute(
        """create table kinds (
            received_at timestamp(6) not null, event_id uuid, event_ts datetime(6), client_ts timestamp(6) null,
            big bigint, natural_ bigint unsigned, exact decimal(40, 10), half double, days date, long_ time(3),
            year_ year, kind enum('a', 'b'), kinds set('a', 'b'), `100% of "it"` varchar(9), other json, yes boolean,
            empty text, properties json)""",
        f"""insert into kinds values (
            '{FIRST} 10:00', '10000000-0000-4000-8000-00000000000A', '2025-01-02 03:04:05.678901',
            '2025-01-02 03:04:05.5', -9007199254740993, 18446744073709551615,
            123456789012345678901234567890.0001000000, 0.1, '2025-01-02', '26:00:00.5', 2025, 'b', 'a,b',
            'é " \\\\ 😀', '{{"a": 1.50}}', true, null, '{{"x": [1, 2.50], "y": 12345678901234567890123}}')""",
    )
    database.execute("set global time_zone = '-08:00'")
    try:
        database.configure(table="kinds", ignore=[])
        assert documents(home) == [
            {
                "event_id": "10000000-0000-4000-8000-00000000000a",
                "event_ts": "2025-01-02T03:04:05.678901",
                "client_ts": "2025-01-02T03:04:05.500000",
                "big": "-9007199254740993",
                "natural_": "18446744073709551615",
                "exact": "123456789012345678901234567890.0001000000",
                "half": "0.1",
                "days": "2025-01-02",
                "long_": "1 day, 2:00:00.500000",
                "year_": "2025",
                "kind": "b",
                "kinds": "a,b",
                '100% of "it"': 'é " \\ 😀',
                "other": '{"a": 1.50}',  # of no field of the contract: nothing says that it is JSON
                "yes": "1",
                "properties": '{"x": [1, 2.50], "y": 12345678901234567890123}',
            }
        ]
    finally:
        database.execute("set global time_zone = 'SYSTEM'")


def test_zero_and_one_are_a_bool_where_the_contract_has_one(database: MariaDB, home: Home) -> None:
    database.execute("alter table study_events add flag boolean")
    database.put([event(1, flag=1), event(2, flag=0), event(3, flag=2), event(4)], f"{FIRST} 10:00")
    stream = replace(EVENTS, envelope=(*EVENTS.envelope, Field(name="flag", type="bool")))
    with window(load_sources(home).databases["study", "events"], stream, FIRST) as opened:
        docs = [json.loads(doc) for table in opened.rows() for doc in table["doc"].to_pylist()]
    assert [doc.get("flag") for doc in docs] == [True, False, 2, None]


def test_json_that_a_query_builds_is_judged_like_any_other(database: MariaDB, home: Home, query: Query) -> None:
    """As the guide has it: a comparison is a bool of JSON, a boolean column is a number. And % is no parameter."""
    database.execute("create table answers (id uuid, at timestamp(6) not null, correct boolean, seconds decimal(9, 3))")
    database.execute(f"insert into answers values ('{event(1)['event_id']}', '{FIRST} 10:00', true, 1.500)")
    built = (
        "select id as event_id, 'question_submit' as event_type, at as event_ts, '{user}' as user_id, '{topic}' as"
        " topic_id, '{topic}' as question_id, json_object('is_correct', {correct}, 'time_to_answer_seconds', seconds)"
        " as properties, at from answers where 'a' like '%' and 7 % 4 = 3 # all of them"
    )
    for correct, payload in (("correct = 1", '{"is_correct":true,"time_to_answer_seconds":1.5}'), ("correct", None)):
        text = built.format(user=USERS[0], topic=TOPIC, correct=correct)
        database.configure(table=..., query=text, received_at="at", ignore=["at"])
        with Loader(home) as loader:
            [load, _] = [outcome for _, outcome in loader.load_all(pending_again(home))]
        assert isinstance(load, Load)
        assert load.rejected == ({} if payload else {"invalid_field": 1})
        assert query("select payload from lake.raw.study_events") == ([(payload,)] if payload else [])


@pytest.mark.parametrize("type_", ["binary(16)", "bit(1)", "blob"])
def test_bytes_are_refused_and_can_be_ignored(database: MariaDB, home: Home, type_: str) -> None:
    database.execute(f"alter table study_events add photo {type_}")
    database.put([event(1, photo=b"\x01")], f"{FIRST} 10:00")
    told = "mariadb:study_events: the column photo holds bytes, which is no JSON; ignore it"
    assert failure(home) == f"study/{FIRST}/events: {told}"
    database.configure(ignore=["id", "photo"])
    assert len(documents(home)) == 1


# What is promised


_READ = """
import resource, sys
from datetime import date
from pathlib import Path
from ingestion.database import window
from ingestion.home import Home
from ingestion.lake import find_stream
from ingestion.sources import load_sources

source = load_sources(Home(Path(sys.argv[1]))).databases["study", "events"]
with window(source, find_stream("study", "events"), date.fromisoformat(sys.argv[2])) as opened:
    opened.count()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rows = size = 0
    for table in opened.rows():
        rows += len(table)
        size += table.nbytes
print(rows, size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_memory_is_bounded(database: MariaDB, home: Home) -> None:
    """Of 150 MB some are held at a time: the rows stay at the server until they are wanted."""
    database.execute(
        f"""insert into study_events (received_at, event_id, event_type, properties)
        select timestamp('{FIRST}') + interval seq * 1000 microsecond, uuid(), 'topic_explored',
            json_object('x', repeat('x', 5000)) from seq_1_to_30000"""
    )
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(home.root), str(FIRST)],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    rows, size, more = map(int, done.stdout.split())
    assert rows == 30_000
    assert size > 150_000_000
    assert more < 100_000_000


def test_a_server_waits_while_what_came_is_judged(database: MariaDB, home: Home) -> None:
    """Else it would cut off whoever takes no rows for `net_write_timeout`: a minute, and here a second."""
    database.execute(
        f"""insert into study_events (received_at, properties)
        select timestamp('{FIRST}') + interval seq * 1000 microsecond, json_object('x', repeat('x', 100000))
        from seq_1_to_500"""
    )
    database.execute("set global net_write_timeout = 1")
    try:
        with window(load_sources(home).databases["study", "events"], EVENTS, FIRST) as opened:
            rows = 0
            for table in opened.rows():
                if rows == 0:
                    time.sleep(2.5)
                rows += len(table)
    finally:
        database.execute("set global net_write_timeout = 60")
    assert rows == 500


# What goes wrong


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"table": "nowhere"}, "mariadb:nowhere: Table '{name}.nowhere' doesn't exist"),
        ({"received_at": "received"}, "there is no column received; there are id, received_at, event_id"),
        ({"received_at": "event_type"}, "received_at: the column event_type is no date and no timestamp"),
        (
            {"table": ..., "query": "select nothing from study_events"},
            "mariadb:query:events: Unknown column 'nothing' in",
        ),
        ({"table": ..., "query": "select 1 from"}, "mariadb:query:events: You have an error in your SQL syntax"),
        ({"user": "reader"}, "SELECT command denied to user 'reader'@'127.0.0.1'"),
        ({"user": "nobody"}, "Access denied for user 'nobody'@'127.0.0.1' (using password: YES)"),
        ({"database": "nowhere"}, "Unknown database 'nowhere'"),
    ],
)
def test_what_will_not_pass_by_itself_is_told_at_once(
    database: MariaDB, home: Home, options: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt, and a message that names stream, date and cause, but no password."""
    attempts = attempts_of(monkeypatch)
    database.execute(
        "create or replace user reader@'127.0.0.1' identified by 'only to read: …'",
        "create table other (id int)",
        f"grant select on {database.name}.other to reader@'127.0.0.1'",
    )
    user, name = options.pop("user", "daybook"), options.pop("database", database.name)
    secret = "only to read: …" if user == "reader" else mariadb.PASSWORD
    monkeypatch.setenv("APP_PASSWORD", secret)
    url = f"mariadb://{user}:${{APP_PASSWORD}}@127.0.0.1:{database.server.port}/{name}"
    database.configure(url=url, **options)
    found = outcomes(home)
    assert sorted(attempts) == [FIRST, SECOND]
    message = found[f"study/{FIRST}/events"]
    assert isinstance(message, str)
    assert message.startswith(f"study/{FIRST}/events: ")
    assert told.format(name=database.name) in message
    assert "\n" not in message
    assert secret not in message
    assert {failed.error for failed in ledger.failed_loads(home)} == set(found.values())


def test_an_error_of_a_value_does_not_tell_the_value(database: MariaDB, home: Home) -> None:
    database.execute(
        "create function numbered(t varchar(40)) returns int begin declare n int; set n = t; return n; end"
    )
    database.put([event(1, event_type="geheim")], f"{FIRST} 10:00")
    database.configure(table=..., query="select *, numbered(event_type) as n from study_events")
    assert (
        failure(home)
        == f"study/{FIRST}/events: mariadb:query:events: Incorrect integer value: … for column ``.``.`n` at row 0"
    )


def test_a_reading_that_is_given_up_leaves_the_rest_at_the_server(
    database: MariaDB, home: Home, complaints: list[Any]
) -> None:
    """The driver would read to the end what nobody wants: for hours, of a large table whose tenth row is refused."""
    database.configure(table=..., query="select e.*, sleep(e.id > 1000) as n from study_events e")
    database.many(1100)
    source = load_sources(home).databases["study", "events"]
    started = time.monotonic()
    with pytest.raises(KeyError), window(source, EVENTS, FIRST) as opened:
        for table in opened.rows():
            raise KeyError(len(table))
    gc.collect()
    assert time.monotonic() - started < 20
    assert complaints == []


def test_a_load_that_fails_in_mid_read_leaves_the_rest_at_the_server(
    database: MariaDB, home: Home, complaints: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(con: object, name: str, records: Iterator[Any], *how: bool) -> Iterator[Any]:
        yield next(records)
        raise KeyError("no room")

    monkeypatch.setattr("ingestion.load.read_records", broken)
    database.configure(table=..., query="select e.*, sleep(e.id > 1000) as n from study_events e")
    database.many(1100)
    started = time.monotonic()
    assert "KeyError" in failure(home)
    assert time.monotonic() - started < 20
    assert complaints == []
