"""The models built on Delta tables, for tests: by Sail, which speaks Spark Connect and needs no Java.

What belongs here: Sail's session, what Sail spells otherwise than Spark, and killing a run between two statements.
What does not: any expectation (`test_delta_nights`).

Delta's own engine for Spark is a Java library that no Python package brings along.
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dbt.cli.main import dbtRunner

from ingestion.home import Home
from ingestion.lake_on_spark import show_lake
from mastery.store import Store
from tests.integration.warehouse import PROJECT, Rows


class Killed(RuntimeError):
    """The run was killed before this statement."""


class DeltaWarehouse:
    """The models of one home in a session of Sail. Its catalog lives as long as the session."""

    def __init__(self, session: Any, home: Home, target: Path) -> None:
        self._session = session
        self._home = home
        self._target = target
        self.statements: list[str] = []  # what the last run sent

    def build(self, *select: str, kill: Callable[[str], bool] = lambda _: False) -> bool:
        """Bring models up to date with the lake; whether dbt could. Behind a statement to kill at, none is sent."""
        self._show_lake()
        arguments = ["--quiet", "build", "--resource-type", "seed", "model"]
        arguments += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        arguments += ["--target-path", str(self._target), "--log-path", str(self._target)]
        arguments += ["--select", *select] if select else []
        with self._listening(kill), patch.dict(os.environ, DAYBOOK_ENGINE="spark", DAYBOOK_HOME=str(self._home.root)):
            return dbtRunner().invoke(arguments).success

    def mart(self, name: str) -> Rows:
        """All rows of a mart."""
        return [row.asDict() for row in self._session.sql(f"select * from marts.{name}").collect()]

    def _show_lake(self) -> None:
        """As `run_dbt` does it; a view of Sail reads no path, so that each Delta table gets a name."""
        Store(self._home).install_shipped()
        for statement in show_lake(self._home, "delta", str(self._home.root)):
            path = re.search(r"delta\.`(.+?)`", statement)
            if path:
                name = f"raw.{Path(path[1]).name}__files"
                self._session.sql(f"drop table if exists {name}")
                self._session.sql(f"create table {name} using delta location '{path[1]}'")
                statement = statement.replace(path[0], name)
            self._session.sql(statement)

    @contextmanager
    def _listening(self, kill: Callable[[str], bool]) -> Iterator[None]:
        self.statements = []
        send = type(self._session).sql
        killed = False

        def sql(session: Any, statement: str) -> Any:
            nonlocal killed
            if killed:
                raise Killed
            self.statements.append(statement)
            answer = send(session, in_sail(statement))
            killed = kill(statement)
            return answer

        with patch.object(type(self._session), "sql", sql):
            yield


@contextmanager
def sail(folder: Path) -> Iterator[Any]:
    """A session of a server of its own, which keeps its tables in a folder. dbt's session is the same."""
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    host, port = server.listening_address
    remote = f"sc://{host}:{port}/;user_id=dbt;session_id={uuid.uuid4()}"
    try:
        with patch.dict(os.environ, SPARK_REMOTE=remote, DAYBOOK_SPARK_FILE_FORMAT="delta"):
            session = SparkSession.builder.getOrCreate()
            session.conf.set("spark.sql.warehouse.dir", str(folder))
            session.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
            session.conf.set("spark.sql.session.timeZone", "UTC")
            try:
                yield session
            finally:
                session.stop()
    finally:
        server.stop()


def in_sail(sql: str) -> str:
    """A statement of Spark in Sail's words. What Sail has not is left out: comments, and the bytes of tables."""
    if re.search(r"\balter table \S+ change column\b", sql):
        return "select 1"
    sql = re.sub(r"\bcomment '(?:\\'|[^'])*'", "", sql)
    sql = re.sub(r"select distinct _metadata[^)]+", "select 0 as file_size", sql)
    sql = re.sub(r"\b9{12}\.9{6}\b", r"cast(\g<0> as decimal(38, 6))", sql)  # no comparison of two widths
    sql = re.sub(
        r"format_string\('%\.14e', (\S+)\)", r"if(\1 = 0, '0.00000000000000e+00', \g<0>)", sql
    )  # it has no zero
    while found := re.search(r"\btimestampdiff\(microsecond, ", sql):
        (first, second), end = _arguments(sql, found.end())
        micros = f"unix_micros(cast({second} as timestamp_ltz)) - unix_micros(cast({first} as timestamp_ltz))"
        sql = f"{sql[: found.start()]}({micros}){sql[end:]}"
    return sql


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call that begin at a place, and where the call ends."""
    arguments, depth = [""], 0
    for place in range(start, len(sql)):
        letter = sql[place]
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return arguments, place + 1
        if letter == "," and not depth:
            arguments.append("")
        else:
            arguments[-1] += letter
    raise ValueError(f"a call does not end: {sql[start:]}")
