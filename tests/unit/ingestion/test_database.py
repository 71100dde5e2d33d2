"""Streams in a real PostgreSQL, and in SQLite by the way that any other database is read.

What holds of other servers, too, is in `test_database_promises.py`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
import sqlalchemy as sa
from tenacity import wait_fixed

from ingestion import lake, ledger, recounts
from ingestion.__main__ import main
from ingestion.database import DatabaseError, Interrupted, Window, _PostgreSQL, resolve, retrying, window
from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.lake import Lake, attach_lake
from ingestion.ledger import Load
from ingestion.load import pending
from ingestion.recounts import unsure
from ingestion.sources import DatabaseSource, load_sources
from orchestration.partitions import DateRange
from orchestration.planning import LoadRun, look, runs_in_doubt
from tests import postgres
from tests.unit.ingestion.conftest import USERS, Put, Query, event, load_all, ndjson
from tests.unit.ingestion.databases import (
    EVENTS,
    FIRST,
    SECOND,
    PostgreSQL,
    at,
    attempts_of,
    failure,
    new_database,
    outcomes,
    today,
)

pytestmark = pytest.mark.skipif(postgres.why_missing() is not None, reason=postgres.why_missing() or "")

NAMES = [
    *("event_id", "event_type", "event_ts", "user_id", "session_id", "client_ts", "material_id", "chunk_id"),
    *("topic_id", "question_id", "properties"),
]


@pytest.fixture(scope="module")
def running() -> Iterator[postgres.Server]:
    with postgres.server() as server:
        yield server


@pytest.fixture
def database(running: postgres.Server, home: Home, monkeypatch: pytest.MonkeyPatch) -> PostgreSQL:
    made: PostgreSQL = new_database(PostgreSQL, running, home, monkeypatch)
    return made


def documents(home: Home, day: date = FIRST) -> list[dict[str, Any]]:
    """The rows of a date of `study.events` as the database spells them."""
    source = load_sources(home).databases["study", "events"]
    with window(source, EVENTS, day) as opened:
        return [json.loads(doc) for table in opened.rows() for doc in table["doc"].to_pylist()]


# The same rows


def test_rows_of_a_table_are_what_they_are_in_files(
    database: PostgreSQL, home: Home, put: Put, query: Query, tmp_path: Path
) -> None:
    """Two dates of valid, repeated and broken rows: the lake holds the same of both ways, and so does the ledger."""
    rows = [event(n, user=n % 3, client_ts="2025-01-02T10:00:00.25Z") for n in range(20)]
    rows += [event(3), event(4, properties={"topic_name": "other"}), event(21, event_type="nope")]
    rows += [event(22, topic_id=...), event(23, properties={"topic_level": "x" * 5000}), event(24, user_id=...)]
    rows += [event(25, event_ts="1999-01-01T00:00:00Z"), event(26, properties={"a": [1, 2.50, None], "ü": "é"})]
    for day, part in ((FIRST, rows[::2]), (SECOND, rows[1::2])):
        for number, row in enumerate(part):
            database.put([row], f"{day} 00:00:{number:02d}Z")
    other = Home(tmp_path / "files")
    for day, part in ((FIRST, rows[::2]), (SECOND, rows[1::2])):
        path = other.landing / "study" / str(day) / "events.ndjson"
        path.parent.mkdir(parents=True)
        path.write_bytes(ndjson(*part))
    held = []
    for where in (home, other):
        assert all(isinstance(outcome, Load) for outcome in outcomes(where).values())
        assert ledger.verify(where) == []
        with duckdb.connect() as con:
            attach_lake(con, where)
            kept = "* exclude (load_id, source_file)"
            held.append(
                [
                    con.execute(f"select {kept} from lake.raw.study_events order by all").fetchall(),
                    con.execute(
                        "select * exclude (load_id, source_file, raw) from lake.raw.quarantine order by all"
                    ).fetchall(),
                    con.execute(
                        "select * exclude (load_id, loaded_at, bytes, file_set, rows_at_source)"
                        " from lake.raw.loads order by all"
                    ).fetchall(),
                ]
            )
    assert held[0] == held[1]
    assert {len(part) for part in held[0][:2]} == {23, 5}
    assert query("select extract_date, rows_read, rows_at_source from lake.raw.loads order by 1") == [
        (FIRST, 14, 14),
        (SECOND, 14, 14),
    ]
    assert query("select distinct source_file from lake.raw.study_events") == [("postgresql:public.study_events",)]


def test_streams_of_every_kind(database: PostgreSQL, home: Home, query: Query) -> None:
    """Batches, whose receive time is a field of theirs; other names of columns; a query; a snapshot without times."""
    session, question = "30000000-0000-4000-8000-000000000001", "40000000-0000-4000-8000-000000000001"
    database.execute(
        "create table client_batches (batch_id int, source text, user_id text, received_at timestamptz, events json)",
        'create table "Textbook" ("At" timestamp, id text, kind text, happened timestamptz, data jsonb)',
        "create table topics (topic_id uuid, name text, level text, parent_topic_id uuid, updated date)",
        "create table asked (id uuid, position int, test uuid, created date)",
    )
    events = [
        {"event_type": "NAVIGATE_NEXT", "client_ts": "2025-01-02T10:00:00Z", "session_id": session, "seq": seq}
        for seq in (1, 2)
    ]
    batch = {"batch_id": 1, "source": "web", "user_id": USERS[0], "events": events}
    database.put([batch, {**batch, "events": []}], at(10), "client_batches")
    database.execute(
        f"""insert into "Textbook" values ('{FIRST} 10:00', 'e-1', 'chapter_visit', '{FIRST} 09:00+00',
            '{{"user_id": "u-1", "chapter_id": "c-1"}}')""",
        f"insert into topics values ('{session}', 'fractions', '1', null, null)",
        f"insert into asked values ('{question}', 3, '{session}', '{FIRST}')",
    )
    snapshot = {"received_at": ..., "from": ..., "ignore": ["updated"]}
    database.streams(
        {
            "assessment": {
                "batches": {"table": "client_batches", "ignore": ["batch_id"]},
                "session_questions": {
                    "table": ...,
                    "query": "select id as question_id, position, test as session_id, created from asked -- all::of it",
                    "received_at": "created",
                    "ignore": ["created"],
                },
            },
            "textbook": {
                "events": {
                    "table": "Textbook",
                    "received_at": "At",
                    "columns": {"event_id": "id", "event_type": "kind", "timestamp": "happened", "payload": "data"},
                    "ignore": [],
                }
            },
            "study": {"topics": {"table": "topics", **snapshot}},
        }
    )
    found = outcomes(home)
    assert {place: (load.rows_read, load.rows_accepted, load.drift) for place, load in found.items()} == {
        f"assessment/{FIRST}/batches": (2, 2, ()),
        f"assessment/{FIRST}/session_questions": (1, 1, ()),
        f"textbook/{FIRST}/events": (1, 1, ()),
        f"study/{SECOND}/topics": (1, 1, ()),
        **{
            f"{name[0]}/{SECOND}/{name[1]}": (0, 0, ())
            for name in (("assessment", "batches"), ("assessment", "session_questions"), ("textbook", "events"))
        },
    }
    assert query("select received_at, seq, batch_index from lake.raw.assessment_batches order by seq") == [
        (datetime.fromisoformat(f"{FIRST}T10:00:00"), 1, 0),
        (datetime.fromisoformat(f"{FIRST}T10:00:00"), 2, 1),
    ]
    assert query("select event_id, timestamp from lake.raw.textbook_events") == [
        ("e-1", datetime.fromisoformat(f"{FIRST}T09:00:00"))
    ]
    assert query("select stream, rows_at_source from lake.raw.loads where rows_at_source > 0 order by 1") == [
        ("batches", 2),
        ("events", 1),
        ("session_questions", 1),
        ("topics", 1),
    ]
    assert ledger.verify(home) == []


# How values arrive


def test_values_are_spelled_exactly(database: PostgreSQL, home: Home) -> None:
    """Numbers to the last digit, times in UTC whatever zone the role has, JSON as JSON, also where a text holds it."""
    database.execute(
        """create table kinds (
            received_at timestamptz, event_id uuid, event_ts timestamp, client_ts timestamptz, big bigint,
            exact numeric, nothing numeric, half float8, odd float8, yes bool, days date, list int[], code char(3),
            j json, b jsonb, properties text, empty text)""",
        f"""insert into kinds values (
            '{FIRST} 10:00+00', '10000000-0000-4000-8000-00000000000A', '2025-01-02 03:04:05.678901',
            '2025-01-02 03:04:05+02', 9007199254740993, 12345678901234567890.000100, 'NaN', 0.1, 'Infinity', true,
            '2025-01-02', '{{1,2}}', 'ab', '{{"a":1.50 , "b":null}}', '{{"a": 1.50}}', '{{"x": [1, 2.50]}}', null)""",
        f"alter role postgres in database {database.name} set timezone = 'Pacific/Auckland'",
        f"alter role postgres in database {database.name} set datestyle = 'German'",
        f"alter role postgres in database {database.name} set extra_float_digits = -15",
    )
    database.configure(table="kinds", ignore=[])
    source = load_sources(home).databases["study", "events"]
    with window(source, EVENTS, FIRST) as opened:
        [table] = opened.rows()
    [doc] = table["doc"].to_pylist()
    assert json.loads(doc, parse_float=str, parse_int=str, parse_constant=str) == {
        "event_id": "10000000-0000-4000-8000-00000000000a",
        "event_ts": "2025-01-02T03:04:05.678901",
        "client_ts": "2025-01-02T01:04:05+00:00",
        "big": "9007199254740993",
        "exact": "12345678901234567890.000100",
        "nothing": "NaN",
        "half": "0.1",
        "odd": "Infinity",
        "yes": True,
        "days": "2025-01-02",
        "list": ["1", "2"],
        "code": "ab ",
        "j": {"a": "1.50", "b": None},
        "b": {"a": "1.50"},
    }
    assert table["properties"].to_pylist() == ['{"x": [1, 2.50]}']


@pytest.mark.parametrize("setting", ["on", "off"])
def test_a_field_may_have_any_name_and_a_row_many_of_them(database: PostgreSQL, home: Home, setting: str) -> None:
    """A function takes a hundred arguments at most, and a role may read a backslash in a text as it once was read."""
    names = ['it\'s "a\\b" 100%', "ß:,{}", *(f"c{n}" for n in range(1_000))]
    columns = ", ".join('"' + name.replace('"', '""') + '" int' for name in names)
    values = ", ".join(str(n) for n in range(len(names)))
    database.execute(
        f"create table wide (received_at timestamptz, {columns})",
        f"insert into wide values ('{FIRST} 10:00+00', {values})",
        f"insert into wide values ('{FIRST} 11:00+00')",
        f"alter role postgres in database {database.name} set standard_conforming_strings = {setting}",
    )
    database.configure(table="wide", ignore=[])
    assert documents(home) == [{name: n for n, name in enumerate(names)}, {}]


def test_functions_and_operators_of_the_database_spell_nothing(database: PostgreSQL, home: Home) -> None:
    """Whoever may make some in `public` would have them run by the reader, and old databases have such names."""
    database.put([event(1)], at(10))
    [expected] = documents(home)
    of_text = "returns text language sql as $$ select 'shadow'::text $$"
    database.execute(
        "create function to_json(text) returns json language sql as $$ select '\"shadow\"'::json $$",
        "create function to_json(timestamptz) returns json language sql as $$ select '\"shadow\"'::json $$",
        f"create function array_to_string(text[], text) {of_text}",
        f"create function shadow(text, uuid) {of_text}",
        "create operator || (leftarg = text, rightarg = uuid, function = shadow)",
    )
    assert documents(home) == [expected]
    assert outcomes(home)[f"study/{FIRST}/events"].rows_accepted == 1


def test_a_row_that_is_too_long_is_malformed_where_nobody_looks_whether_it_is_json(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ingestion.database", "ingestion.readers"):
        monkeypatch.setattr(f"{module}.LONGEST_ROW", 2_000)
    long = event(2, properties=json.dumps({"topic_name": "x" * 2_000}))
    database.put([event(1), long, event(3)], at(10))
    with window(load_sources(home).databases["study", "events"], EVENTS, FIRST) as opened:
        assert opened.is_valid
    load = outcomes(home)[f"study/{FIRST}/events"]
    assert (load.rows_accepted, load.rejected) == (2, {"malformed": 1})


def test_rows_are_looked_at_unless_each_column_is_of_a_type_that_makes_valid_json(
    database: PostgreSQL, home: Home, query: Query
) -> None:
    """A column of type json holds what was written, half of a surrogate pair too, which PostgreSQL takes for JSON."""

    def is_valid() -> bool:
        with window(load_sources(home).databases["study", "events"], EVENTS, FIRST) as opened:
            return opened.is_valid

    assert is_valid()
    for type_ in ("int[]", "xml", "interval", "point"):
        database.execute(f"alter table study_events add other {type_}")
        assert not is_valid(), type_
        database.execute("alter table study_events drop other")
    database.execute("alter table study_events alter properties type json")
    assert not is_valid()
    database.put([event(1), event(2, properties='{"topic_name": "\\ud800"}')], at(10))
    assert outcomes(home)[f"study/{FIRST}/events"].rejected == {"malformed": 1}
    assert query("select event_id from lake.raw.study_events") == [(event(1)["event_id"],)]
    database.execute("alter table study_events alter properties type text")  # read as JSON where it is some
    assert not is_valid()


def test_a_text_that_holds_json_is_json_and_any_other_is_none(database: PostgreSQL, home: Home, query: Query) -> None:
    database.execute("alter table study_events alter properties type text using null")
    database.put([event(1), event(2, properties="no JSON"), event(3, properties='{"topic_name": NaN}')], at(10))
    assert outcomes(home)[f"study/{FIRST}/events"].rejected == {"invalid_field": 2}
    assert query("select payload from lake.raw.study_events") == [('{"topic_name":"fractions"}',)]


def test_bytes_are_refused_and_can_be_ignored(database: PostgreSQL, home: Home) -> None:
    database.execute("alter table study_events add photo bytea")
    assert "the column photo is bytea, which is no JSON; ignore it, or read a query" in failure(home)
    database.configure(ignore=["id", "photo"])
    assert documents(home) == []


def test_a_column_that_the_contract_does_not_know_is_drift(database: PostgreSQL, home: Home, query: Query) -> None:
    """An application that adds a column breaks nothing: it joins the payload, and is told. Null is absent."""
    database.put([event(1)], at(10))
    assert outcomes(home)[f"study/{FIRST}/events"].drift == ()
    database.execute("alter table study_events add colour text")
    database.put([event(2, colour="red"), event(3)], f"{SECOND} 10:00Z")
    database.put([event(4)], at(11))
    found = outcomes(home)
    assert [(d.field, d.kind, d.rows) for d in found[f"study/{SECOND}/events"].drift] == [
        ("colour", "unknown_field", 1)
    ]
    assert found[f"study/{FIRST}/events"].drift == ()
    assert query("select payload from lake.raw.study_events where payload like '%colour%'") == [
        ('{"colour":"red","topic_name":"fractions"}',)
    ]


# Dates


def test_a_date_is_its_half_open_window_in_utc(database: PostgreSQL, home: Home, query: Query) -> None:
    database.execute(f"alter role postgres in database {database.name} set timezone = 'America/New_York'")
    instants = [f"{FIRST} 00:00Z", f"{SECOND} 00:00Z", f"{today()} 00:00Z", f"{FIRST - timedelta(days=1)} 23:59:59Z"]
    for number, instant in enumerate([*instants, f"{FIRST} 23:59:59.999999Z"], 1):
        database.put([event(number)], instant)
    outcomes(home)
    rows = "select extract_date, source_line, right(event_id, 1) from lake.raw.study_events order by all"
    assert query(rows) == [(FIRST, 1, "1"), (FIRST, 2, "5"), (SECOND, 1, "2")]


def test_dates_begin_with_the_first_and_end_with_the_newest_that_is_over(database: PostgreSQL, home: Home) -> None:
    def dates(now: str) -> list[date]:
        return [found.extract_date for found in discover(home, datetime.fromisoformat(now)).extracts]

    database.configure(grace_minutes=15)
    after = FIRST + timedelta(days=1)
    assert dates(f"{FIRST}T23:59:59+00:00") == []
    assert dates(f"{after}T00:14:59+00:00") == []
    assert dates(f"{after}T00:15:00+00:00") == [FIRST]
    assert dates(f"{after}T13:15:00+13:00") == [FIRST]
    assert dates(f"{after + timedelta(days=1)}T00:15:00+00:00") == [FIRST, after]
    database.configure(to=str(FIRST))
    assert dates("2030-05-05T12:00:00+00:00") == [FIRST]
    database.streams({"study": {"topics": {"received_at": ..., "from": ..., "table": "topics"}}})
    assert dates("2030-05-05T12:00:00+00:00") == [date(2030, 5, 4)]  # a table as it is: the newest date alone
    database.streams({"study": {"topics": {"received_at": ..., "from": ..., "to": str(FIRST), "table": "topics"}}})
    assert dates("2030-05-05T12:00:00+00:00") == [FIRST]  # or the last one: as-of ends with the events


def test_rows_of_one_receive_time_come_by_their_identity_or_the_key(database: PostgreSQL, home: Home) -> None:
    database.put([event(3), event(1), event(2)], at(10))
    assert [row["event_id"][-1] for row in documents(home)] == ["1", "2", "3"]
    database.configure(key=["id"])
    assert [row["event_id"][-1] for row in documents(home)] == ["3", "1", "2"]


def test_a_date_whose_count_differs_is_loaded_again(database: PostgreSQL, home: Home) -> None:
    """Of the newest dates the rows are counted again, and only where that is asked for.

    The schedule does not ask, for a tick has little time: it lets runs ask about the dates that are in doubt.
    """
    database.put([event(1)], at(10))
    outcomes(home)
    assert pending(home) == []
    database.put([event(2)], at(10))
    assert [str(found) for found in pending(home)] == [f"study/{FIRST}/events"]
    assert pending(home, stream=("study", "topics")) == []
    assert pending(home, ask_databases=False) == []
    assert [found.extract_date for found in unsure(home)] == [FIRST, SECOND]
    outlook = look(home, ask_databases=False)
    assert outlook.pending == []
    assert runs_in_doubt(outlook, DateRange(FIRST, SECOND), [EVENTS]) == [LoadRun(DateRange(FIRST, SECOND), [EVENTS])]
    database.configure(recheck_days=1)  # the newest date alone
    assert pending(home) == []
    database.configure(recheck_days=2)
    assert outcomes(home)[f"study/{FIRST}/events"].rows_read == 2
    assert pending(home) == []
    database.execute("delete from study_events")
    assert outcomes(home)[f"study/{FIRST}/events"].rows_read == 0


def test_a_date_is_counted_until_that_was_done_when_it_was_old(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a night a week the newest date was too old to be counted when the next one came."""
    database.put([event(1)], at(10))
    outcomes(home)
    later = datetime.now(UTC) + timedelta(days=7)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            return cls.fromtimestamp(later.timestamp(), tz)

    monkeypatch.setattr(recounts, "datetime", Later)
    found = discover(home, later)

    def counted(first: date = FIRST) -> list[date]:
        return [extract.extract_date for extract in pending(home, first, SECOND, found=found)]

    assert [extract.extract_date for extract in unsure(home, found)] == [FIRST, SECOND]
    assert counted(SECOND) == []
    assert [extract.extract_date for extract in unsure(home, found)] == [FIRST, SECOND], "an earlier one is in doubt"
    database.put([event(2)], at(10))
    assert counted() == counted() == [FIRST], "until it is read again"
    database.execute(f"delete from study_events where event_id = '{event(2)['event_id']}'")
    assert counted() == []
    assert unsure(home, found) == []
    database.put([event(2)], at(10))
    assert counted() == []


def test_files_of_such_a_stream_are_told_and_not_read(database: PostgreSQL, home: Home, put: Put) -> None:
    put(f"study/{FIRST}/events.ndjson", ndjson(event(1)))
    put(f"study/{SECOND}/events-2.csv", b"event_id\n")
    put(f"study/{FIRST}/topics.ndjson", b"{}\n")
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == [
        f"study/{FIRST}/events",
        f"study/{FIRST}/topics",
        f"study/{SECOND}/events",
    ]
    assert found.warnings == [
        "study/*/events*: 2 files, but sources.yaml says that study.events is read from a database; ignored"
    ]


# What goes wrong


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"table": "nowhere"}, 'postgresql:nowhere: relation "nowhere" does not exist'),
        ({"received_at": "received"}, "there is no column received; there are id, received_at, event_id"),
        ({"columns": {"event_id": "nr"}}, "there is no column nr; there are id"),
        ({"ignore": ["id", "emial"]}, "there is no column emial; there are id"),
        ({"columns": {"event_id": "id"}, "ignore": []}, "two columns hold the field event_id; ignore names those"),
        ({"received_at": "properties"}, "received_at: the column properties is no date and no timestamp"),
        ({"table": ..., "query": "select 1 from"}, "postgresql:query:events: syntax error at or near"),
        ({"table": "secrets"}, "postgresql:secrets: permission denied for table secrets"),
        ({"url": "postgresql://nobody:${APP_PASSWORD}@127.0.0.1:{port}/{name}"}, "password authentication failed"),
        (
            {"url": "postgresql://postgres:${APP_PASSWORD}@127.0.0.1:{port}/nowhere"},
            'database "nowhere" does not exist',
        ),
        ({"url": "${APP_URL}"}, "the environment variable APP_URL is not set"),
        ({"url": "${APP_PASSWORD}"}, "the url cannot be read as one"),
    ],
)
def test_what_will_not_pass_by_itself_is_told_at_once(
    database: PostgreSQL, home: Home, options: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One attempt, and a message that names stream, date and cause, but neither a password nor a value."""
    attempts = attempts_of(monkeypatch)
    database.execute("drop role if exists reader", "create role reader login password 'reader'")
    database.execute("create table secrets (id int, received_at timestamptz)")
    if options.get("table") == "secrets":
        monkeypatch.setenv("APP_PASSWORD", "reader")
        options = {**options, "url": "postgresql://reader:${APP_PASSWORD}@127.0.0.1:{port}/{name}"}
    if "url" in options:
        where = {"{port}": str(database.server.port), "{name}": database.name}
        url = options["url"]
        for mark, text in where.items():
            url = url.replace(mark, text)
        options = {**options, "url": url}
    database.configure(**options)
    database.put([event(1, properties={"topic_name": "geheim"})], at(10))
    found = outcomes(home)
    assert sorted(attempts) == [FIRST, SECOND]
    message = found[f"study/{FIRST}/events"]
    assert isinstance(message, str)
    assert message.startswith(f"study/{FIRST}/events: ")
    assert told in message
    assert "\n" not in message
    assert postgres.PASSWORD not in message
    assert "geheim" not in message
    assert {failed.error for failed in ledger.failed_loads(home)} == set(found.values())


@pytest.mark.parametrize("value", ["geheim", '{"name": "geheim"}', "the 'geheim\nthing"])
def test_an_error_of_a_value_does_not_tell_the_value(database: PostgreSQL, home: Home, value: str) -> None:
    database.put([event(1, event_type=value)], at(10))
    database.configure(table=..., query="select *, event_type::int as n from study_events")
    assert failure(home) == f"study/{FIRST}/events: postgresql:query:events: invalid input syntax for type integer: …"


def test_rows_without_a_receive_time_are_not_passed_over(database: PostgreSQL, home: Home) -> None:
    """They are on no date, and the books balanced without them."""
    database.put([event(1)], at(10))
    database.execute("alter table study_events alter received_at drop not null")
    database.execute("insert into study_events (event_type) values ('topic_explored')")
    told = "received_at: rows without received_at are on no date; give them one, or read a query that has none"
    assert failure(home) == f"study/{FIRST}/events: postgresql:public.study_events: {told}"
    database.configure(table=..., query="select * from study_events where received_at is not null")
    assert outcomes(home)[f"study/{FIRST}/events"].rows_read == 1


def test_a_server_that_stands_still_is_given_up(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its system answers for it, so that the connection looks alive; the night waited for it without end."""
    monkeypatch.setattr("ingestion.database._PATIENCE", 1)
    database.configure(statement_timeout=1)
    database.many(3_000)
    source = load_sources(home).databases["study", "events"]
    with (
        pytest.raises(Interrupted, match=r"^postgresql:public\.study_events: the server has said nothing for 2 s$"),
        window(source, EVENTS, FIRST) as opened,
    ):
        rows = opened.rows()
        next(rows)
        [(reader,)] = database.execute(
            "select pid from pg_stat_activity where application_name = 'daybook' and datname = current_database()"
        )
        os.kill(reader, signal.SIGSTOP)
        try:
            list(rows)
        finally:
            os.kill(reader, signal.SIGCONT)


def test_nobody_watches_a_connection_that_is_given_up(database: PostgreSQL, home: Home) -> None:
    before = {*threading.enumerate()}
    with window(load_sources(home).databases["study", "events"], EVENTS, FIRST) as opened:
        opened.count()
        [watcher] = {*threading.enumerate()} - before
    watcher.join(10)
    assert not watcher.is_alive()


@pytest.mark.parametrize("of_password", ["hunter@2secret", "@2secret", "hunter@2/2secret", "hunter@2?2secret"])
def test_a_password_that_is_taken_for_a_host_is_not_told(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch, of_password: str
) -> None:
    monkeypatch.setenv("APP_URL", f"postgresql://reader:{of_password}@127.0.0.1:{database.server.port}/app")
    database.configure(url="${APP_URL}")
    told = "the url cannot be read as one: an @ in a password is written %40"
    assert failure(home) == f"study/{FIRST}/events: {told}"
    assert "2secret" not in str(ledger.failed_loads(home))


@pytest.mark.parametrize(
    "url",
    ["postgresql://me@server:secret@db.example/app", "postgresql://me@db.example:5432/app", "sqlite:////srv/a@b@c.db"],
)
def test_an_at_that_is_no_part_of_a_password_may_stand(url: str) -> None:
    assert resolve(url).database in ("app", "/srv/a@b@c.db")


def test_a_driver_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its messages might tell what stands in a row."""
    monkeypatch.setenv("APP_URL", "postgresql+pg8000://db.example/app")
    with pytest.raises(DatabaseError, match=r"^the url must begin with postgresql://, mysql://"):
        resolve("${APP_URL}")


def test_a_variable_in_an_option_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PASSWORD", "a+b&rest=c %@/")
    url = resolve("postgresql://db.example/app?password=${APP_PASSWORD}&sslmode=require")
    assert dict(url.query) == {"password": "a+b&rest=c %@/", "sslmode": "require"}


def test_rows_that_a_policy_hides_are_an_error(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were missing in silence: what was counted was what was read."""
    database.put([event(1)], at(10))
    database.execute(
        "drop role if exists hidden_from",
        "create role hidden_from login password 'reader'",
        "grant select on study_events to hidden_from",
        "alter table study_events enable row level security",
    )
    monkeypatch.setenv("APP_PASSWORD", "reader")
    database.configure(url=database.url("hidden_from"))
    told = 'query would be affected by row-level security policy for table "study_events"'
    assert failure(home) == f"study/{FIRST}/events: postgresql:public.study_events: {told}"
    database.execute("alter role hidden_from bypassrls")
    assert outcomes(home)[f"study/{FIRST}/events"].rows_read == 1
    database.execute("drop owned by hidden_from", "drop role hidden_from")


def test_a_text_of_no_known_encoding_is_told_without_it(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.server.execute("create database legacy encoding sql_ascii lc_collate 'C' lc_ctype 'C' template template0")
    try:
        database.server.execute(database.tables, database="legacy")
        database.server.execute(
            f"insert into study_events (received_at, event_type) values ('{at(10)}', E'geheim\\xff')", database="legacy"
        )
        database.configure(url=database.url(database="legacy"))
        told = "invalid byte sequence for encoding …: 0xff"
        assert failure(home) == f"study/{FIRST}/events: postgresql:public.study_events: {told}"
    finally:
        database.server.execute("drop database legacy with (force)")


def test_a_server_that_says_nothing_behind_the_login_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a pool does that has no connection left: the first question waited without end, and held the night."""
    monkeypatch.setattr("ingestion.database._PATIENCE", 0)
    with socket.create_server(("127.0.0.1", 0)) as pool:

        def log_in() -> None:
            connection, _ = pool.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")  # you are in; ask
                while connection.recv(4096):
                    pass

        listening = threading.Thread(target=log_in)
        listening.start()
        source = DatabaseSource(
            f"postgresql://u@127.0.0.1:{pool.getsockname()[1]}/app?sslmode=disable&gssencmode=disable",
            table="study_events",
            received_at="received_at",
            statement_timeout=1,
        )
        with (
            pytest.raises(Interrupted, match=r"^postgresql:study_events: the server has said nothing for 1 s$"),
            window(source, EVENTS, FIRST),
        ):
            pass
        listening.join(10)
        assert not listening.is_alive()


@pytest.mark.parametrize(
    ("told", "may_pass"),
    [
        ("connection failed: FATAL: the database system is not yet accepting connections", True),
        ("connection failed: SSL SYSCALL error: EOF detected", True),
        ("connection failed: FATAL: no more connections allowed (max_client_conn)", True),
        ('"::1", port 5432 failed: Connection refused; "127.0.0.1": FATAL: password authentication failed', False),
        ('"::1", port 5432 failed: Connection refused; "127.0.0.1": FATAL: database "x" does not exist', False),
    ],
)
def test_which_refusals_may_pass(told: str, may_pass: bool) -> None:
    """Of an error of connecting there is only the text."""
    assert _PostgreSQL().is_transient(psycopg.OperationalError(told)) == may_pass


def test_nobody_waits_for_the_next_attempt_when_nobody_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.database.wait_random_exponential", lambda **_: wait_fixed(60))
    unwanted, attempts = threading.Event(), []

    def attempt() -> None:
        attempts.append(1)
        threading.Timer(0.2, unwanted.set).start()
        raise Interrupted("not now")

    with pytest.raises(CancelledError):
        retrying(DatabaseSource("", retries=8), unwanted)(attempt)
    assert len(attempts) == 1


def test_a_database_that_cannot_be_asked_is_pending_once(database: PostgreSQL, home: Home) -> None:
    """Looking for changed dates tells of it by one date that then fails to load; what was loaded stays."""
    database.put([event(1)], at(10))
    outcomes(home)
    database.execute("alter table study_events rename to elsewhere")
    assert [str(found) for found in pending(home)] == [f"study/{FIRST}/events"]
    assert "does not exist" in failure(home)
    assert ledger.active_loads(home)["study", "events", FIRST].rows_read == 1


def test_the_ledger_tells_rows_that_did_not_come(database: PostgreSQL, home: Home) -> None:
    database.put([event(1), event(2)], at(10))
    load = outcomes(home)[f"study/{FIRST}/events"]
    assert isinstance(load, Load)
    wrong = Load(**{**vars(load), "load_id": ledger.new_load_id(datetime.now(UTC)), "rows_at_source": 3})
    with duckdb.connect() as con:
        attach_lake(con, home)
        one = f"from lake.raw.{{}} where load_id = '{load.load_id}'"
        ledger.post(con, Lake(home), wrong, one.format("study_events"), one.format("quarantine"))
    [found] = ledger.verify(home)
    assert (found.extract_date, found.what, found.ledger, found.lake) == (FIRST, "rows_at_source", 3, 2)


def test_a_load_is_refused_when_fewer_rows_come_than_were_counted(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.put([event(1)], at(10))
    monkeypatch.setattr(Window, "count", lambda self: 2)
    assert failure(home) == f"study/{FIRST}/events: postgresql:public.study_events counts 2 rows, but 1 came"


def test_a_ledger_from_before_it_counted_at_the_source(
    database: PostgreSQL, home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lake that an earlier version wrote goes on."""
    database.streams({})
    put(f"study/{FIRST}/events.ndjson", ndjson(event(1)))
    with monkeypatch.context() as earlier:
        for name in ("LOAD_COLUMNS", "LEDGER_COLUMNS"):
            columns = tuple(column for column in getattr(lake, name) if column[0] != "rows_at_source")
            earlier.setattr(lake, name, columns)
        load_all(home)
    assert "rows_at_source" not in Lake(home).ledger.stored_columns()
    database.configure()
    assert [str(found) for found in pending(home)] == [f"study/{SECOND}/events"]
    load_all(home)
    counted = "select extract_date, rows_read, rows_at_source from lake.raw.loads order by all"
    assert query(counted) == [(FIRST, 1, None), (SECOND, 0, 0)]
    assert ledger.verify(home) == []


# Large rows, and showing one


def test_large_rows_are_fetched_few_at_a_time_and_the_too_long_cut(
    database: PostgreSQL, home: Home, query: Query
) -> None:
    source = load_sources(home).databases["study", "events"]
    database.many(3_000)
    with window(source, EVENTS, FIRST) as opened:
        assert max(len(table) for table in opened.rows()) == 1_000, "those behind them may be large"
    database.execute("delete from study_events")
    database.execute("alter table study_events alter properties type json using null")
    database.execute(
        f"""insert into study_events (received_at, event_id, event_type, event_ts, user_id, topic_id, properties)
        select '{FIRST} 00:00Z'::timestamptz + n * interval '1 second',
            ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'topic_explored', '{FIRST}', '{USERS[0]}',
            '20000000-0000-4000-8000-000000000001', json_build_object('x', repeat('x', 400000))
        from generate_series(1, 200) as n"""
    )
    with window(source, EVENTS, FIRST) as opened:
        sizes = [(len(table), table.nbytes) for table in opened.rows()]
    assert sum(rows for rows, _ in sizes) == 200
    assert all(size < 8 * 1024 * 1024 for _, size in sizes[1:])
    [(least,)] = database.execute("select min(id) from study_events")
    database.execute(f"delete from study_events where id > {least + 1}")
    database.execute(
        f"update study_events set properties = json_build_object('x', repeat('x', 17000000)) where id = {least}"
    )
    outcomes(home)
    assert query("select source_line, reason, length(raw) from lake.raw.quarantine order by 1") == [
        (1, "malformed", 16 * 1024 * 1024 + 1),
        (2, "payload_too_large", query("select max(length(raw)) from lake.raw.quarantine where source_line = 2")[0][0]),
    ]


def test_show_fetches_the_row_by_its_place_in_the_window(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    for number in (1, 2, 3):
        database.put([event(number)], at(10 + number))
    outcomes(home)
    place = f"study/{FIRST}/postgresql:public.study_events"
    assert main(["show", place, "2"]) == 0
    assert json.loads(capsys.readouterr().out)["event_id"] == event(2)["event_id"]
    assert main(["show", place, "4"]) == 1
    assert capsys.readouterr().err == f"{place}: there is no row 4\n"
    database.put([event(4)], at(1))
    assert main(["show", place, "2"]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out)["event_id"] == event(1)["event_id"]
    assert f"{place}: 4 rows now, and 3 when load " in shown.err
    assert main(["show", f"study/{FIRST}/postgresql:elsewhere", "1"]) == 1
    assert "not the name of an extract's file" in capsys.readouterr().err


def test_status_and_withdraw_know_of_dates_in_a_database(
    database: PostgreSQL, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    database.put([event(1)], at(10))
    assert main(["status"]) == 0
    assert f"new or changed: 2 extracts\n  study/{FIRST}/events\n" in capsys.readouterr().out
    assert main(["load"]) == 0
    assert "2 extracts loaded, 0 failed; 1 row read" in capsys.readouterr().out
    assert main(["withdraw", "study", str(FIRST)]) == 1
    assert "still lies in a database, and would be loaded again" in capsys.readouterr().out


# Another database, by the way that all others take


@pytest.fixture
def sqlite(home: Home, tmp_path: Path) -> Callable[..., None]:
    """Put rows into a table of SQLite, and say that `study.events` is read from it."""
    path = tmp_path / "app.db"

    def put(rows: list[dict[str, Any]], **options: Any) -> None:
        with sqlite3.connect(path) as con:
            con.execute(f"create table if not exists events (received_at text, flag, {', '.join(NAMES)})")
            for row in rows:
                values = [json.dumps(v) if isinstance(v, dict) else v for v in row.values()]
                con.execute(f"insert into events ({', '.join(row)}) values ({', '.join('?' * len(row))})", values)
        usual = {"kind": "database", "url": f"sqlite:///{path}", "table": "events", "received_at": "received_at"}
        home.root.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"study": {"events": usual | {"from": "F", "grace_minutes": 0} | options}})
        home.sources.write_text(text.replace('"F"', str(FIRST)))

    return put


def test_rows_of_sqlite(home: Home, query: Query, sqlite: Callable[..., None]) -> None:
    """Texts, numbers, bytes: what has no type of its own is told by its value."""
    rows = [event(n, received_at=f"{FIRST} 0{n}:00:00") for n in (1, 2)]
    rows += [event(3, received_at=f"{SECOND}T00:00:00Z", flag=0.25), event(4, received_at=f"{FIRST} 04:00", flag="é")]
    rows += [event(5, received_at=f"{FIRST} 05:00", properties="no JSON"), event(6, received_at=f"{FIRST} 06:00")]
    sqlite([*rows[:-1], {**rows[-1], "event_type": 7}])
    found = outcomes(home)
    assert found[f"study/{FIRST}/events"].rejected == {"invalid_field": 2}
    assert query("select source_file, source_line, right(event_id, 1), payload from lake.raw.study_events") == [
        ("sqlite:events", 1, "1", '{"topic_name":"fractions"}'),
        ("sqlite:events", 2, "2", '{"topic_name":"fractions"}'),
        ("sqlite:events", 3, "4", '{"flag":"é","topic_name":"fractions"}'),
        ("sqlite:events", 1, "3", '{"flag":0.25,"topic_name":"fractions"}'),
    ]
    assert query("select sum(rows_at_source) from lake.raw.loads") == [(6,)]
    sqlite([event(7, received_at=f"{FIRST} 07:00", flag=b"\x00")])
    assert "sqlite:events: the column flag holds bytes, which is no JSON; ignore it" in failure(home)


def test_a_text_of_sqlite_that_is_no_utf8_costs_its_row(
    home: Home, query: Query, sqlite: Callable[..., None], tmp_path: Path
) -> None:
    """It ended the reading of its date, night after night, with what stood in it in the message."""
    sqlite([event(n, received_at=f"{FIRST} 0{n}:00") for n in (1, 2, 3)])
    with sqlite3.connect(tmp_path / "app.db") as con:
        for number, column in ((1, "event_type"), (2, "properties")):
            con.execute(f"update events set {column} = cast(x'67ff' as text) where event_id like '%{number}'")
    assert outcomes(home)[f"study/{FIRST}/events"].rejected == {"malformed": 2}
    assert query("select right(event_id, 1) from lake.raw.study_events") == [("3",)]


@pytest.mark.parametrize(
    ("received_at", "kind"),
    [
        (1767607200, "integer"),
        (1767607200.5, "real"),
        (b"2026", "blob"),
        ("05/01/2026 10:00", "texts of another form"),
        ("", "texts of another form"),
        ("yesterday", "texts of another form"),
    ],
)
def test_receive_times_of_sqlite_are_texts(
    home: Home, sqlite: Callable[..., None], tmp_path: Path, received_at: object, kind: str
) -> None:
    """Numbers are on no date: rows were lost without a word."""
    sqlite([event(1, received_at=f"{FIRST} 10:00")])
    with sqlite3.connect(tmp_path / "app.db") as con:
        con.execute(f"create table times (received_at, flag, {', '.join(NAMES)})")
        con.execute("insert into times (received_at) values (?)", [received_at])
        con.execute("insert into times (received_at) values (null)")
        con.execute(f"insert into times (received_at) values ('{FIRST} 10:00')")
    sqlite([], table="times")
    told = f"the column received_at holds {kind}, where texts YYYY-MM-DD… are needed"
    assert failure(home) == f"study/{FIRST}/events: sqlite:times: received_at: {told}"


def test_a_file_of_sqlite_that_is_not_there_is_not_made(
    home: Home, tmp_path: Path, sqlite: Callable[..., None]
) -> None:
    sqlite([], url=f"sqlite:///{tmp_path}/nowhere.db")
    assert "unable to open database file" in failure(home)
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize("late", [0, 1.5])
def test_a_query_of_sqlite_that_takes_too_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    """Also one that begins when its time is over: it does not hear that it was told to stop, and ran to its end."""
    monkeypatch.setattr("ingestion.database._PATIENCE", 0)
    sqlite3.connect(tmp_path / "app.db").close()
    long = "with recursive n (x) as (select 1 union all select x + 1 from n where x < 5e7) select x from n where x < 0"
    source = DatabaseSource(f"sqlite:///{tmp_path}/app.db", query=long, statement_timeout=1)

    def begin_late(connection: sa.Connection, cursor: object, statement: str, *_: object) -> None:
        if "count(*)" in statement:
            time.sleep(late)

    with (
        pytest.raises(Interrupted, match="sqlite:query:events: the server has said nothing for 1 s"),
        window(source, EVENTS, FIRST) as opened,
    ):
        sa.event.listen(sa.Engine, "before_cursor_execute", begin_late)
        try:
            opened.count()
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", begin_late)
