"""A table of events in a real server, for tests: what is the same whichever server it is, and what is not."""

from __future__ import annotations

import itertools
import json
import re
from abc import ABC, abstractmethod
from datetime import UTC, date, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from psycopg import sql

from ingestion.database import window
from ingestion.extracts import ExtractError
from ingestion.home import Home
from ingestion.lake import find_stream
from ingestion.load import Loader, pending
from tests import mariadb, postgres
from tests.unit.ingestion.conftest import USERS

EVENTS = find_stream("study", "events")
_TOPIC = "20000000-0000-4000-8000-000000000001"
_databases = itertools.count(1)


def today() -> date:
    return datetime.now(UTC).date()


FIRST, SECOND = today() - timedelta(days=2), today() - timedelta(days=1)


def at(hour: int) -> str:
    """An instant of the first date."""
    return f"{FIRST} {hour:02d}:00:00Z"


class Database(ABC):
    """A database of one test, with a table `study_events`."""

    servers: ModuleType  # what starts one
    user: str  # the superuser
    kind: str  # as URLs and the names of sources begin
    table: str
    # How an application may have it.
    tables: str
    # What a query does that takes 5 seconds, and that writes, where that is a function; and how the server says no.
    slow: str
    interrupted: str
    writing_function: str
    read_only: str

    def __init__(self, server: Any, home: Home) -> None:
        self.server = server
        self.home = home
        self.name = f"test_{next(_databases)}"
        server.execute(f"create database {self.name}")
        self.execute(self.tables)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        found: list[tuple[Any, ...]] = self.server.execute(*statements, database=self.name)
        return found

    @abstractmethod
    def put(self, rows: list[dict[str, Any]], received: str, table: str = "study_events") -> None:
        """Insert rows, all received at one instant."""

    @abstractmethod
    def many(self, rows: int) -> None:
        """Insert rows of the first date, a millisecond apart."""

    @abstractmethod
    def kill_readers(self) -> int:
        """Cut off whoever reads; how many they were."""

    def url(self, user: str | None = None, database: str | None = None) -> str:
        """The URL of this database, or as another user, or of another one."""
        return (
            f"{self.kind}://{user or self.user}:${{APP_PASSWORD}}@127.0.0.1:{self.server.port}/{database or self.name}"
        )

    def configure(self, **options: Any) -> None:
        """Say that `study.events` is read from the table."""
        self.streams({"study": {"events": options}})

    def streams(self, systems: dict[str, dict[str, dict[str, Any]]]) -> None:
        """Say which streams are read; an option that is `...` is left out."""
        usual = {
            "kind": "database",
            "url": self.url(),
            "table": self.table,
            "received_at": "received_at",
            "from": str(FIRST),
            "ignore": ["id"],
            "grace_minutes": 0,
        }
        self.home.root.mkdir(parents=True, exist_ok=True)
        written = {
            system: {
                stream: {name: value for name, value in (usual | options).items() if value is not ...}
                for stream, options in streams.items()
            }
            for system, streams in systems.items()
        }
        # Texts in quotes, dates not: JSON is YAML.
        text = re.sub(r'("from"|"to"): "([0-9-]+)"', r"\1: \2", json.dumps(written, indent=1))
        self.home.sources.write_text(text)


class PostgreSQL(Database):
    """Of PostgreSQL."""

    servers, user, kind, table = postgres, "postgres", "postgresql", "public.study_events"
    tables = """
        create table study_events (
            id bigserial primary key, received_at timestamptz not null,
            event_id uuid, event_type text, event_ts timestamptz, user_id uuid, session_id uuid, client_ts timestamp,
            material_id uuid, chunk_id uuid, topic_id uuid, question_id uuid, properties jsonb
        );
        create index on study_events (received_at)
        """
    slow = "select e.* from study_events e, pg_sleep(5)"
    interrupted = "canceling statement due to statement timeout"
    writing_function = """
        create function change_it() returns int language sql as
        'insert into study_events (received_at) values (now()) returning 1'"""
    read_only = "cannot execute INSERT in a read-only transaction"

    def put(self, rows: list[dict[str, Any]], received: str, table: str = "study_events") -> None:
        with self.server.connect(self.name) as con:
            for row in rows:
                values = {"received_at": received, **row}
                names = sql.SQL(", ").join(map(sql.Identifier, values))
                marks = sql.SQL(", ").join(map(sql.Placeholder, values))
                texts = {name: json.dumps(v) if isinstance(v, dict | list) else v for name, v in values.items()}
                con.execute(sql.SQL(f"insert into {table} ({{}}) values ({{}})").format(names, marks), texts)

    def many(self, rows: int) -> None:
        self.execute(
            f"""insert into study_events (received_at, event_id, event_type, event_ts, user_id, topic_id, properties)
            select '{FIRST} 00:00Z'::timestamptz + n * interval '1 millisecond',
                ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'topic_explored', '{FIRST}',
                '{USERS[0]}', '{_TOPIC}', jsonb_build_object('topic_name', 'n ' || n)
            from generate_series(1, {rows}) as n"""
        )

    def kill_readers(self) -> int:
        [(count,)] = self.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            f" where application_name = 'daybook' and datname = '{self.name}'"
        )
        return int(count)


class MariaDB(Database):
    """Of MariaDB, whose sessions are in UTC here, whatever zone the server is in."""

    servers, user, kind, table = mariadb, "daybook", "mariadb", "study_events"
    tables = """
        create table study_events (
            id bigint auto_increment primary key, received_at timestamp(6) not null default current_timestamp(6),
            event_id uuid, event_type varchar(40), event_ts datetime(6), user_id char(36), session_id char(36),
            client_ts datetime(6), topic_id char(36), question_id char(36), properties json, index (received_at)
        )"""
    slow = "select e.*, sleep(5) as n from study_events e"
    interrupted = "Query execution was interrupted (max_statement_time exceeded)"
    writing_function = """
        create function change_it() returns int begin insert into study_events () values (); return 1; end"""
    read_only = "Cannot execute statement in a READ ONLY transaction"

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        return super().execute("set time_zone = '+00:00'", *statements)

    def put(self, rows: list[dict[str, Any]], received: str, table: str = "study_events") -> None:
        with self.server.connect(self.name) as con, con.cursor() as cursor:
            cursor.execute("set time_zone = '+00:00'")
            for row in rows:
                values = {"received_at": received.rstrip("Z"), **row}
                values |= {name: v.rstrip("Z") for name, v in values.items() if name.endswith("_ts")}
                texts = [json.dumps(v) if isinstance(v, dict | list) else v for v in values.values()]
                marks = ", ".join(["%s"] * len(values))
                cursor.execute(f"insert into {table} ({', '.join(values)}) values ({marks})", texts)

    def many(self, rows: int) -> None:
        self.execute(
            f"""insert into study_events (received_at, event_id, event_type, event_ts, user_id, topic_id, properties)
            select timestamp('{FIRST}') + interval seq * 1000 microsecond,
                concat('10000000-0000-4000-8000-', lpad(seq, 12, '0')), 'topic_explored', '{FIRST}', '{USERS[0]}',
                '{_TOPIC}', json_object('topic_name', concat('n ', seq))
            from seq_1_to_{rows}"""
        )

    def kill_readers(self) -> int:
        found = self.execute(
            f"select id from information_schema.processlist where db = '{self.name}' and info like 'select w.%'"
        )
        for (number,) in found:
            self.execute(f"kill {number}")
        return len(found)


def new_database(kind: type[Database], server: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A database from which the home reads `study.events`."""
    monkeypatch.setenv("APP_PASSWORD", kind.servers.PASSWORD)
    made = kind(server, home)
    made.configure()
    return made


def outcomes(home: Home, **options: Any) -> dict[str, Any]:
    """Load what is pending: the load of each extract, a failure as its message."""
    with Loader(home) as loader:
        found = list(loader.load_all(pending(home), **options))
    return {str(extract): str(outcome) if isinstance(outcome, ExtractError) else outcome for extract, outcome in found}


def failure(home: Home) -> str:
    """The one message of all failures, which name the first date."""
    [told, *_] = [outcome for outcome in outcomes(home).values() if isinstance(outcome, str)]
    return told


def attempts_of(monkeypatch: pytest.MonkeyPatch) -> list[date]:
    """The dates whose windows are opened from now on."""
    attempts: list[date] = []

    def counted(source: Any, stream: Any, day: date) -> Any:
        attempts.append(day)
        return window(source, stream, day)

    monkeypatch.setattr("ingestion.load.window", counted)
    return attempts
