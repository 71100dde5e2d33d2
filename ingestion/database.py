"""A stream in a database: one extract date of it, read in one read-only transaction, as rows that are JSON already.

What belongs here: connecting, the query of a window, how a value is spelled as JSON, and which errors pass by
themselves. What does not: which dates there are (`extracts.py`), and what becomes of the rows (`readers.py`).

PostgreSQL spells its rows itself, and leaves Python little of the work; rows of other databases are spelled here.
"""

from __future__ import annotations

import json
import math
import os
import re
import socket
import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pyarrow as pa
import sqlalchemy as sa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from ingestion.contract import FieldType, Stream
from ingestion.privacy import in_short
from ingestion.readers import HOLDS_JSON, LONGEST_ROW
from ingestion.sources import BEGINNINGS, DRIVERS, VARIABLE, DatabaseSource
from ingestion.sql import quoted

# A user and the colon behind it: an @ may be in the name.
_USER = re.compile(r"^[^:/]+://[^:/]*:")

# The rows that are fetched at a time: as many as come to so many bytes, if they are like those before them.
_FIRST_ROWS, _MOST_ROWS = 50, 1_000
_FETCH_BYTES = 4 * 1024 * 1024

# The column of the rows as JSON in the tables that are handed on, beside columns named after fields.
DOC = "doc"

# SQLAlchemy imports a dialect and its driver where an engine is made. Of threads that made their first at once one
# failed in every twentieth process: it found what another had half imported.
_IMPORTING = threading.Lock()

# The longest pause between two attempts.
_LONGEST_WAIT = 60  # seconds

# A server ends a statement itself when its time is over. One that says nothing then is given up so much later.
_PATIENCE = 60  # seconds
_HANG_UP_AGAIN = 0.1  # seconds


class DatabaseError(Exception):
    """A source cannot be read; the message is the cause, without a secret and without values of rows."""


class Interrupted(DatabaseError):
    """A source cannot be read just now: the same may work a moment later."""


def name_of(source: DatabaseSource, stream: str) -> str:
    """The source as lake and messages name it: the kind of database, and the table or the query of a stream.

    Raises DatabaseError.
    """
    return f"{resolve(source.url).get_backend_name()}:{source.table or f'query:{stream}'}"


def resolve(template: str) -> sa.URL:
    """A URL with what the environment says in it. Raises DatabaseError, which names the variable that is missing."""

    def value_of(variable: re.Match[str]) -> str:
        value = os.environ.get(variable[1])
        if not value:
            raise DatabaseError(f"the environment variable {variable[1]} is not set")
        # Between :// and @ stand a user and a password, and behind = an option, in which any character may be.
        is_part = variable.end() <= template.rfind("@") or template[: variable.start()].endswith("=")
        return quote(value, safe="") if is_part else value

    text = VARIABLE.sub(value_of, template)
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise DatabaseError("the url cannot be read as one") from None
    driver = DRIVERS.get(url.drivername, url.drivername)
    if driver not in DRIVERS.values():
        raise DatabaseError(f"the url must begin with {BEGINNINGS}")
    # A part of the password would be taken for the host, the database or an option, and told.
    if driver != "sqlite" and _USER.sub("", text).count("@") > 1:
        raise DatabaseError("the url cannot be read as one: an @ in a password is written %40")
    return url.set(drivername=driver)


def retrying(source: DatabaseSource, unwanted: threading.Event) -> Retrying:
    """Calls a function until it is no longer interrupted, or as often as the source says; the pauses grow.

    Raises CancelledError once `unwanted` is set.
    """

    def pause(seconds: float) -> None:
        if unwanted.wait(seconds):
            raise CancelledError

    return Retrying(
        sleep=pause,
        stop=stop_after_attempt(1 + source.retries),
        wait=wait_random_exponential(multiplier=1, max=_LONGEST_WAIT),
        retry=retry_if_exception_type(Interrupted),
        reraise=True,
    )


def connect_args(url: sa.URL) -> dict[str, Any]:
    """What the driver is told beside the URL, by whoever else connects. Raises DatabaseError."""
    return _dialect_of(url).connect_args(url, DatabaseSource(""))


def _dialect_of(url: sa.URL) -> _Dialect:
    backend = _BACKENDS.get(url.get_backend_name())
    if backend is None:
        raise DatabaseError(f"a database {url.get_backend_name()} is none that can be read")
    return backend()


@contextmanager
def window(source: DatabaseSource, stream: Stream, day: date) -> Iterator[Window]:
    """The rows that a source received on one UTC day, as of now: what is counted is what is read.

    Raises DatabaseError, and what is an Interrupted one if it passes by itself.
    """
    url = resolve(source.url)
    dialect = _dialect_of(url)
    try:
        with _IMPORTING:
            arguments = dialect.connect_args(url, source)
            engine = sa.create_engine(dialect.url(url), poolclass=sa.NullPool, connect_args=arguments)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"the driver {error.name} is not installed") from None
    except (sa.exc.ArgumentError, TypeError, ValueError):
        raise DatabaseError("the url cannot be read as one") from None
    name = name_of(source, stream.name)
    line = _Line(dialect, source, name)
    sa.event.listen(engine, "do_connect", line.connect)
    try:
        with line.patience():
            con = engine.connect().execution_options(no_parameters=True, **dialect.options)
        try:
            for statement in dialect.begin(con, source):
                with line.patience():
                    con.exec_driver_sql(statement)
            yield Window(con, line, stream, day)
        except Interrupted:
            con.invalidate()  # nothing more is asked of it
            raise
        finally:
            with line.patience():
                con.close()
    except sa.exc.DBAPIError as error:
        told = f"{name}: {dialect.told(error.orig, source)}"
        told = told.replace(str(url.password), "…") if url.password else told
        is_transient = error.connection_invalidated or dialect.is_transient(error.orig)
        raise (Interrupted if is_transient else DatabaseError)(told) from None
    except sa.exc.SQLAlchemyError as error:
        raise DatabaseError(f"{name}: {in_short(str(error))}") from None
    finally:
        line.give_up()
        engine.dispose()


class _Line:
    """The connection to a server, which may say nothing any more. One thread watches it, until it is given up."""

    def __init__(self, dialect: _Dialect, source: DatabaseSource, name: str) -> None:
        self.dialect = dialect
        self.source = source
        self.name = name
        self._connection: Any = None  # the driver's
        self._answer_by = math.inf  # by the clock of the process; nothing is waited for
        self._is_late = False
        self._is_given_up = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def connect(self, dialect: sa.Dialect, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Connect for SQLAlchemy, which asks the server a few things before it hands the connection out."""
        self._connection = dialect.connect(*arguments, **options)
        return self._connection

    def give_up(self) -> None:
        """Watch no longer."""
        self._is_given_up.set()

    @contextmanager
    def patience(self) -> Iterator[None]:
        """While the server is waited for: not for ever. Raises Interrupted."""
        seconds = self.source.statement_timeout + _PATIENCE
        self._is_late, self._answer_by = False, monotonic() + seconds
        try:
            yield
        except Exception:
            if not self._is_late:
                raise
            raise Interrupted(f"{self.name}: the server has said nothing for {seconds} s") from None
        finally:
            self._answer_by = math.inf

    def _watch(self) -> None:
        # More than once: what has not quite begun, however late it is, is not ended by the first.
        while not self._is_given_up.wait(_HANG_UP_AGAIN):
            if monotonic() > self._answer_by:
                self._is_late = True
                if self._connection is not None:
                    self.dialect.hang_up(self._connection)


@dataclass(frozen=True)
class Column:
    """A column of the source, and the field that it holds."""

    name: str
    field: str
    type: FieldType | None  # None: the contract does not know the field
    code: Any  # what the driver calls the type of the column
    may_hold_json: bool  # a text that is read as JSON where it is some


class Window:
    """One extract date of a source, within its transaction."""

    def __init__(self, con: sa.Connection, line: _Line, stream: Stream, day: date) -> None:
        """Ask for the columns. Raises DatabaseError where the configuration names others."""
        self._con = con
        self._dialect = line.dialect
        self._source = line.source
        self._patience = line.patience
        self._stream = stream
        self._day = day
        self.name = line.name
        self.columns = self._described()

    def count(self) -> int:
        """How many rows the database says it has."""
        query = f"select count(*) from {self.relation} where {self._condition}"
        rows: int = self.answer(query)
        return rows

    def answer(self, query: str) -> Any:
        """The first value that a query gives; None where it gives none."""
        with self._patience():
            return self._con.exec_driver_sql(query).scalar()

    def rows(self) -> Generator[pa.Table]:
        """The rows, in their order, a few at a time.

        A table has the column DOC, a JSON object for each row, and for each text that may hold JSON a column named
        after its field.
        """
        yield from self._read(self._dialect.query(self))

    def row(self, number: int) -> Iterator[pa.Table]:
        """One row by its place in the order, the first is 1."""
        yield from self._read(f"{self._dialect.query(self)} limit 1 offset {number - 1}")

    @property
    def is_known(self) -> bool:
        """Whether the contract has a field for every column that is read."""
        return all(column.type is not None for column in self.columns)

    @property
    def is_valid(self) -> bool:
        """Whether the rows are strictly valid JSON for certain, so that nobody has to look."""
        return self._dialect.is_valid(self.columns)

    @property
    def relation(self) -> str:
        """The table or query, in SQL, called w."""
        if self._source.query:
            return f"({self._source.query}\n) as w"  # it may end with a comment
        return f"{'.'.join(map(self.named, (self._source.table or '').split('.')))} as w"

    @property
    def clauses(self) -> str:
        """Which rows, and in which order: that of their receive time, and then of what tells them apart."""
        identity = [column.name for field in self._stream.identity for column in self.columns if column.field == field]
        received_at = [self._source.received_at] if self._source.received_at else []
        order = ", ".join(f"w.{self.named(name)}" for name in [*received_at, *(self._source.key or identity)])
        return f"where {self._condition}" + (f" order by {order}" if order else "")

    def named(self, name: str) -> str:
        """A name in the database's SQL. SQLAlchemy would double a % in it, for drivers that are given parameters."""
        quote = self._dialect.quote
        return f"{quote}{name.replace(quote, 2 * quote)}{quote}"

    @property
    def _condition(self) -> str:
        if self._source.received_at is None:
            return "1 = 1"
        received_at = f"w.{self.named(self._source.received_at)}"
        # A date is its midnight in the time zone of the session, which is UTC.
        return f"{received_at} >= '{self._day}' and {received_at} < '{self._day + timedelta(days=1)}'"

    def _described(self) -> list[Column]:
        """The columns that are read."""
        source, stream = self._source, self._stream
        with self._patience():
            described = self._con.exec_driver_sql(f"select * from {self.relation} where 1 = 0")
        names = list(described.keys())
        codes = {name: told[1] for name, told in zip(names, described.cursor.description, strict=True)}
        described.close()
        for name in (source.received_at, *source.key, *(column for _, column in source.columns), *source.ignore):
            if name is not None and name not in names:
                raise DatabaseError(f"{self.name}: there is no column {name}; there are {', '.join(names)}")
        fields = {column: field for field, column in source.columns}
        types = {field.name: field.type for field in stream.batch or stream.envelope}
        found: list[Column] = []
        for name in names:
            field = fields.get(name, name)
            # The receive time says which date a row is of; it is no part of it, unless the contract knows it.
            if name in source.ignore or (name == source.received_at and field not in types):
                continue
            type_ = types.get(field)
            is_cell = type_ in HOLDS_JSON and self._dialect.may_be_text(codes[name])
            found.append(Column(name, field, type_, codes[name], is_cell))
        fault = self._dialect.fault([(column.name, codes[column.name]) for column in found])
        if source.received_at and fault is None:
            fault = self._dialect.fault_of_time(self, source.received_at, codes[source.received_at])
            fault = fault or self._fault_of_nulls(source.received_at)
        given = [column.field for column in found]
        twice = next((field for field in given if given.count(field) > 1), None)
        if twice is not None:
            fault = f"two columns hold the field {twice}; ignore names those that are not to be read"
        if fault is not None:
            raise DatabaseError(f"{self.name}: {fault}")
        return found

    def _fault_of_nulls(self, received_at: str) -> str | None:
        """Why rows of a table would never be read; whoever writes a query has chosen its rows."""
        null = f"select 1 from {self.relation} where w.{self.named(received_at)} is null limit 1"
        if not self._source.table or self.answer(null) is None:
            return None
        return f"received_at: rows without {received_at} are on no date; give them one, or read a query that has none"

    def _read(self, query: str) -> Iterator[pa.Table]:
        cells = [column.field for column in self.columns if column.may_hold_json]
        # The driver's own: SQLAlchemy makes an object of each row, which costs more than all else that is done to it.
        dialect, cursor, most = self._con.dialect, self._dialect.cursor(self._con), _FIRST_ROWS
        try:
            with self._patience():
                cursor.execute(query)
            while rows := self._fetched(cursor, most):
                spelled = self._dialect.spell(self, rows)
                # Of one that is too long enough is kept to see that it is.
                values = [[text and text[: LONGEST_ROW + 1] for text in column] for column in spelled]
                table = pa.table([pa.array(of, pa.string()) for of in values], names=[DOC, *cells])
                yield table
                most = max(1, min(_MOST_ROWS, 2 * most, _FETCH_BYTES * len(rows) // table.nbytes))
            with self._patience():
                cursor.close()
        except dialect.loaded_dbapi.Error as error:
            is_lost = dialect.is_disconnect(error, self._con.connection.dbapi_connection, cursor)
            with self._patience():
                self._dialect.leave(self._con, cursor)
            self._con.invalidate()
            raise sa.exc.DBAPIError(query, None, error, connection_invalidated=is_lost) from None
        except BaseException:  # nobody wants the rest
            with self._patience():
                self._dialect.leave(self._con, cursor)
            raise

    def _fetched(self, cursor: Any, most: int) -> Sequence[Sequence[Any]]:
        with self._patience():
            rows: Sequence[Sequence[Any]] = cursor.fetchmany(most)
        return rows


class _Dialect:
    """What databases do in ways of their own. Here: rows as any driver gives them, spelled in Python."""

    options: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ"}
    quote = '"'  # around a name

    def url(self, url: sa.URL) -> sa.URL:
        """What SQLAlchemy connects to."""
        return url

    def connect_args(self, url: sa.URL, source: DatabaseSource) -> dict[str, Any]:
        """What the driver is told beside the URL."""
        return {}

    def begin(self, con: sa.Connection, source: DatabaseSource) -> list[str]:
        """The statements before the first question: read only, in UTC, not for ever."""
        return []

    def fault(self, columns: Sequence[tuple[str, Any]]) -> str | None:
        """Why columns of these types cannot be read; None if they can, or it shows at their values."""
        return None

    def fault_of_time(self, window: Window, name: str, code: Any) -> str | None:
        """Why a column cannot be the receive time; None if it can, or nobody knows."""
        return None

    def may_be_text(self, code: Any) -> bool:
        """Whether the values of a column may be texts, as far as its type tells."""
        return True

    def is_valid(self, columns: Sequence[Column]) -> bool:
        """Whether rows of these columns come as valid JSON, whatever their values are."""
        return False

    def query(self, window: Window) -> str:
        """The query of the rows."""
        columns = ", ".join(f"w.{window.named(column.name)}" for column in window.columns)
        return f"select {columns} from {window.relation} {window.clauses}"

    def spell(self, window: Window, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The rows as JSON objects, and the texts that may hold JSON, column by column."""
        columns = window.columns
        keys = [f"{_key(column)}:" for column in columns]
        docs = []
        for row in rows:
            members = [
                key + _spelled(window.name, column, value)
                for key, column, value in zip(keys, columns, row, strict=True)
                if value is not None and not (column.may_hold_json and _is_unicode(value))
            ]
            docs.append(f"{{{','.join(members)}}}")
        cells = [
            [value if _is_unicode(value) else None for value in (row[i] for row in rows)]
            for i, column in enumerate(columns)
            if column.may_hold_json
        ]
        return [docs, *cells]

    def cursor(self, con: sa.Connection) -> Any:
        """A cursor of the driver, that leaves the rows at the server until they are fetched."""
        return con.connection.cursor()

    def leave(self, con: sa.Connection, cursor: Any) -> None:
        """Give up a cursor before its last row."""
        with suppress(con.dialect.loaded_dbapi.Error):
            cursor.close()

    def hang_up(self, connection: Any) -> None:
        """Break a driver's connection whose server says nothing, from another thread. Some do so themselves."""

    def told(self, error: BaseException | None, source: DatabaseSource) -> str:
        """What the database says of an error, in one line, without values of rows."""
        return in_short(str(error))

    def is_transient(self, error: BaseException | None) -> bool:
        """Whether the same may work a moment later."""
        return False


class _PostgreSQL(_Dialect):
    options: Mapping[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    _BYTES: Mapping[int, str] = {17: "bytea", 1001: "bytea[]"}
    _TEXTS = (25, 1042, 1043)  # text, char, varchar
    _TIMES = (1082, 1114, 1184)  # date, timestamp, timestamptz
    _UUID, _JSONB = 2950, 3802
    _SURE = (*_TEXTS, *_TIMES, _UUID, _JSONB, 16, 20, 21, 23, 700, 701, 1083, 1700)  # and bool, numbers and time
    # By SQLSTATE: of what it says of these, nothing stands in a row.
    _SAID_IN_FULL = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57")
    _TRANSIENT = re.compile("08...|40001|40P01|53300|55P03|57P0[1235]|25P0[34]")
    # An error of connecting has no SQLSTATE.
    _UNREACHABLE = re.compile(
        "refused|timeout|timed out|starting up|shutting down|recovery mode|too many|remaining connection slots"
        "|closed the connection|reset by peer|unreachable|no route|temporary failure|not yet accepting connections"
        "|SSL SYSCALL|SSL connection has been closed|no more connections allowed",
        re.IGNORECASE,
    )
    # A host may have several addresses: where one of them answers so, the others do not matter.
    _ANSWERED = re.compile("authentication failed|does not exist|no pg_hba.conf entry", re.IGNORECASE)

    def connect_args(self, url: sa.URL, source: DatabaseSource) -> dict[str, Any]:
        alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
        names = {"application_name": "daybook", "client_encoding": "utf8"}
        return {"connect_timeout": source.connect_timeout, **alive, **names}

    def begin(self, con: sa.Connection, source: DatabaseSource) -> list[str]:
        return [
            "set local timezone = 'UTC'",
            f"set local statement_timeout = '{source.statement_timeout}s'",
            "set local extra_float_digits = 1",  # floats exactly, whatever the role was given
            "set local cursor_tuple_fraction = 1",  # the rows are read to the last one: planned as if at once
            "set local row_security = off",  # rows that a policy hides would be missing in silence: so it is an error
        ]

    def cursor(self, con: sa.Connection) -> Any:
        return con.connection.cursor(name="daybook")

    def hang_up(self, connection: Any) -> None:
        # The driver waits for its socket without end, and where a server stands still its system answers keepalives.
        with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as own:
            own.shutdown(socket.SHUT_RDWR)

    def fault(self, columns: Sequence[tuple[str, Any]]) -> str | None:
        for name, code in columns:
            if code in self._BYTES:
                return f"the column {name} is {self._BYTES[code]}, which is no JSON; ignore it, or read a query"
        return None

    def fault_of_time(self, window: Window, name: str, code: Any) -> str | None:
        return None if code in self._TIMES else f"received_at: the column {name} is no date and no timestamp"

    def may_be_text(self, code: Any) -> bool:
        return code in self._TEXTS

    def query(self, window: Window) -> str:
        whole = [column for column in window.columns if not column.may_hold_json]
        cells = "".join(f", w.{window.named(c.name)}" for c in window.columns if c.may_hold_json)
        members = ", ".join(f"{self._literal(f'{_key(c)}:')} || {self._spelled(window, c)}" for c in whole)
        # A seventh cheaper for the server than `row_to_json`, and a row is shorter: what is null is left out.
        doc = f"'{{' || pg_catalog.array_to_string(array[{members}]::text[], ',') || '}}'"
        return f"select {doc}{cells} from {window.relation} {window.clauses}"

    def _spelled(self, window: Window, column: Column) -> str:
        """A value as JSON. A schema of the database may have functions and operators of these names: none is taken."""
        value = f"w.{window.named(column.name)}"
        if column.code == self._JSONB:
            return f"{value}::text"
        return f"'\"' || {value}::text || '\"'" if column.code == self._UUID else f"pg_catalog.to_json({value})::text"

    @staticmethod
    def _literal(text: str) -> str:
        doubled = text.replace("\\", 2 * "\\")  # whatever the role has set for strings without an E
        return f"E{quoted(doubled)}"

    def is_valid(self, columns: Sequence[Column]) -> bool:
        # A value of type json comes as it was written, and what others are made of is not told.
        return all(column.code in self._SURE and not column.may_hold_json for column in columns)

    def spell(self, window: Window, rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
        return [[row[i] for row in rows] for i in range(len(rows[0]))]

    def told(self, error: BaseException | None, source: DatabaseSource) -> str:
        state = getattr(error, "sqlstate", None)
        diagnosis = getattr(error, "diag", None)
        message = " ".join((getattr(diagnosis, "message_primary", None) or str(error)).split())
        if state == "57014":
            message += f"; statement_timeout is {source.statement_timeout} s"
        return message if state is None or state.startswith(self._SAID_IN_FULL) else in_short(message)

    def is_transient(self, error: BaseException | None) -> bool:
        state = getattr(error, "sqlstate", None)
        if state is not None:
            return self._TRANSIENT.fullmatch(state) is not None
        return self._UNREACHABLE.search(str(error)) is not None and self._ANSWERED.search(str(error)) is None


class _MySQL(_Dialect):
    quote = "`"

    # Of others the text may quote a value.
    _SAID_IN_FULL = (
        *(1040, 1044, 1045, 1047, 1049, 1052, 1053, 1054, 1060, 1064, 1142, 1143, 1146, 1203, 1305, 1317, 1356, 1370),
        *(1698, 1792, 1927, 1969, 2003, 2006, 2013, 3024),
    )
    # Full, or of a cluster that is not ready; shut down, or killed; waited for a lock in vain; not reached, or lost.
    _TRANSIENT = (1040, 1047, 1203, 1053, 1927, 1205, 1213, 2003, 2006, 2013)
    _TIMES = (7, 10, 12, 14)  # timestamp, date, datetime, and date again

    def connect_args(self, url: sa.URL, source: DatabaseSource) -> dict[str, Any]:
        # The server ends a statement itself; the driver gives up on one that does not answer at all.
        patience = {"connect_timeout": source.connect_timeout, "read_timeout": source.statement_timeout + _PATIENCE}
        # Of a text the driver would send Latin-1, and fail at what is not in it.
        secret = {"password": url.password.encode()} if url.password else {}
        return {"charset": "utf8mb4", **patience, **secret}

    def begin(self, con: sa.Connection, source: DatabaseSource) -> list[str]:
        limit = (
            f"max_statement_time = {source.statement_timeout}"
            if getattr(con.dialect, "is_mariadb", False)
            else f"max_execution_time = {source.statement_timeout * 1000}"
        )
        return [
            f"set session {limit}",
            # So long a server waits until it can send the next rows: those before them may take us a while to judge.
            f"set session net_write_timeout = {source.statement_timeout}",
            "set session time_zone = '+00:00'",
            "start transaction with consistent snapshot, read only",
        ]

    def fault_of_time(self, window: Window, name: str, code: Any) -> str | None:
        return None if code in self._TIMES else f"received_at: the column {name} is no date and no timestamp"

    def cursor(self, con: sa.Connection) -> Any:
        return con.connection.cursor(con.dialect.loaded_dbapi.cursors.SSCursor)

    def leave(self, con: sa.Connection, cursor: Any) -> None:
        # It would read to the end what nobody wants, or complain that the connection is lost: both are let go.
        if cursor._result is not None:
            cursor._result.unbuffered_active = False
        if not con.closed:
            con.invalidate()

    def told(self, error: BaseException | None, source: DatabaseSource) -> str:
        code, message = self._code(error), " ".join(str(error.args[-1] if error and error.args else error).split())
        if code in (1969, 3024):
            message += f"; statement_timeout is {source.statement_timeout} s"
        return message if code in self._SAID_IN_FULL else in_short(message)

    def is_transient(self, error: BaseException | None) -> bool:
        return self._code(error) in self._TRANSIENT

    @staticmethod
    def _code(error: BaseException | None) -> object:
        return error.args[0] if error and error.args else None


class _SQLite(_Dialect):
    options: Mapping[str, Any] = {}

    _SAID_IN_FULL = (
        1,
        3,
        5,
        6,
        8,
        10,
        11,
        14,
        23,
        26,
    )  # SQL, permission, busy, locked, read only, the disk, no database

    def url(self, url: sa.URL) -> sa.URL:
        if not url.database or url.database.startswith(("file:", ":memory:")):
            return url
        # Else a file that is not there would be made.
        return url.set(
            database=f"file:{quote(str(Path(url.database).absolute()))}", query={"mode": "ro", "uri": "true"}
        )

    def connect_args(self, url: sa.URL, source: DatabaseSource) -> dict[str, Any]:
        return {"timeout": source.connect_timeout}

    def begin(self, con: sa.Connection, source: DatabaseSource) -> list[str]:
        return ["pragma query_only = 1", "begin"]

    def hang_up(self, connection: Any) -> None:
        with suppress(Exception):  # it is closed
            connection.interrupt()

    def cursor(self, con: sa.Connection) -> Any:
        # A text that is no UTF-8 would end the reading: so it becomes one that is no JSON, and its row malformed.
        con.connection.dbapi_connection.text_factory = _text_of  # type: ignore[union-attr]
        return con.connection.cursor()

    def fault_of_time(self, window: Window, name: str, code: Any) -> str | None:
        # In SQLite's order numbers come before texts, and blobs behind them.
        column = f"w.{window.named(name)}"
        where = f"{column} < '' or {column} >= x''"
        found = window.answer(f"select typeof({column}) from {window.relation} where {where} limit 1")
        if found is None:
            # An index gives both at once, where a look at every text would be a scan a date.
            first, last = (f"select {end}({column}) as text from {window.relation}" for end in ("min", "max"))
            day = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
            other = f"select 1 from ({first} union all {last}) as ends where text not glob '{day}*' limit 1"
            is_other = window.answer(other)
            found = "texts of another form" if is_other else None
        return found and f"received_at: the column {name} holds {found}, where texts YYYY-MM-DD… are needed"

    def told(self, error: BaseException | None, source: DatabaseSource) -> str:
        message = " ".join(str(error).split())
        # Of an error in SQL, or with the file, nothing stands in a row.
        return message if getattr(error, "sqlite_errorcode", 0) & 0xFF in self._SAID_IN_FULL else in_short(message)

    def is_transient(self, error: BaseException | None) -> bool:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in (5, 6)  # busy, locked


_BACKENDS: Mapping[str, type[_Dialect]] = {
    "postgresql": _PostgreSQL,
    "mysql": _MySQL,
    "mariadb": _MySQL,
    "sqlite": _SQLite,
}


def _key(column: Column) -> str:
    """The name of a column's field as JSON."""
    return json.dumps(column.field, ensure_ascii=False)


def _text_of(content: bytes) -> str:
    return content.decode(errors="surrogateescape")


def _is_unicode(value: object) -> bool:
    """Whether it is a text, and one that was UTF-8."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _spelled(name: str, column: Column, value: Any) -> str:
    """A value, not null, as JSON; numbers as they are, times as text."""
    if column.type == "bool" and value in (0, 1):  # where a database has no type for it
        return "true" if value else "false"
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=not _is_unicode(value))
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else f'"{value}"'
        case Decimal():
            return f"{value:f}" if value.is_finite() else f'"{value}"'
        case datetime() | date() | time():
            return f'"{value.isoformat()}"'
        case timedelta() | UUID():
            return f'"{value}"'
        case set() | frozenset() | list() | dict():
            return json.dumps(sorted(value) if isinstance(value, set | frozenset) else value, ensure_ascii=False)
    raise DatabaseError(f"{name}: the column {column.name} holds {type(value).__name__}, which is no JSON; ignore it")
