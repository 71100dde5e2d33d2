"""Spark as the engine of a dbt run: where it is, how it is reached, what it is shown and what it hands over.

What belongs here: the settings from the environment, the connection, and what happens in Spark before dbt (the lake
comes into sight) and after it (marts and findings are handed over as files). What does not: the models' SQL
(`dbt_project`), and what becomes of what was handed over (`engines`).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from ingestion.home import Home
from ingestion.lake_on_spark import Reader, literal, show_lake

Rows = list[dict[str, Any]]

SAMPLE_ROWS = 10  # of those that a test found: enough to see what is wrong

_OLDEST_JAVA = 17

_PATTERNS = set("*?[]{}\\")  # in a path, Spark looks for files that match

# dbt's commands that read or write tables; the others need no Spark.
_NEED_SPARK = {"build", "compile", "retry", "run", "run-operation", "seed", "show", "snapshot", "test"}


class SparkUnavailable(RuntimeError):
    """Spark cannot be used here; the message says what is missing."""


@dataclass(frozen=True)
class Settings:
    """Where Spark is and what it can do. docs/guides/spark.md explains the variables."""

    endpoint: str  # a master, sc://host:port (Connect) or thrift://host:port
    file_format: Reader
    root: str  # the home's folder as Spark sees it

    @classmethod
    def from_env(cls, home: Home) -> Self:
        """As the variables `DAYBOOK_SPARK_*` say."""
        file_format = os.environ.get("DAYBOOK_SPARK_FILE_FORMAT") or "parquet"
        if file_format not in ("delta", "parquet"):
            raise SparkUnavailable(f"DAYBOOK_SPARK_FILE_FORMAT is {file_format!r}; it can be delta or parquet")
        return cls(
            endpoint=os.environ.get("DAYBOOK_SPARK_ENDPOINT") or "local[2]",
            file_format="delta" if file_format == "delta" else "parquet",
            root=(os.environ.get("DAYBOOK_SPARK_HOME") or str(home.root)).rstrip("/"),
        )

    @property
    def is_local(self) -> bool:
        """Whether Spark runs on this machine alone, started by this process."""
        return self.endpoint.startswith("local")

    @property
    def starts_java(self) -> bool:
        """Whether this process starts the driver, which needs Java here."""
        return not self.endpoint.startswith(("sc://", "thrift://"))


def why_unavailable(settings: Settings) -> str | None:
    """What is missing to use Spark here; None where nothing is."""
    java = _java_version() if settings.starts_java else _OLDEST_JAVA
    if java is None:
        return f"Spark needs Java {_OLDEST_JAVA} or newer; there is no java on PATH and no JAVA_HOME"
    if java < _OLDEST_JAVA:
        return f"Spark needs Java {_OLDEST_JAVA} or newer; the java found here is {java}"
    if find_spec("pyspark") is None or find_spec("dbt.adapters.spark") is None:
        return "Spark is an optional extra that is not installed here; `make spark` installs it"
    if set(settings.root) & _PATTERNS:
        signs = "".join(sorted(_PATTERNS))
        return f"Spark would take {settings.root} for a pattern: DAYBOOK_HOME must have none of {signs}"
    return None


def _java_version() -> int | None:
    """The major version of the Java that Spark would start; None where there is none."""
    java_home = os.environ.get("JAVA_HOME")
    java = str(Path(java_home) / "bin" / "java") if java_home else shutil.which("java")
    if not java:
        return None
    try:
        told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    except OSError:
        return None
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    return int(version[1]) if version else None


# The connection


class Spark(Protocol):
    """A connection on which statements are executed one after the other."""

    def execute(self, statement: str) -> Rows:
        """The rows of a statement, by column name."""


class _Session:
    """The Spark session of this process, which dbt uses too."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def execute(self, statement: str) -> Rows:
        return [row.asDict() for row in self._session.sql(statement).collect()]


class _Thrift:
    """A connection of its own to a Thrift server; dbt opens others."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, statement: str) -> Rows:
        cursor = self._connection.cursor()
        cursor.execute(statement)
        if cursor.description is None:
            return []
        names = [column[0].rpartition(".")[2] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def connected(home: Home, settings: Settings) -> Iterator[Spark]:
    """A connection to Spark; a session that was started for it is stopped behind it."""
    missing = why_unavailable(settings)
    if missing:
        raise SparkUnavailable(missing)
    if settings.endpoint.startswith("thrift://"):
        from pyhive import hive

        server = urlsplit(settings.endpoint)
        try:
            connection = hive.connect(host=server.hostname, port=server.port or 10000, **_thrift_login())
        except Exception as error:  # of sockets, of Thrift, of the login
            raise SparkUnavailable(f"no Spark at {settings.endpoint}: {_first_line(error)}") from error
        try:
            yield _Thrift(connection)
        finally:
            connection.close()
        return
    try:
        session = _start_session(home, settings)
    except Exception as error:  # of Java, of the network: there is no end to their types
        raise SparkUnavailable(f"no Spark at {settings.endpoint}: {_first_line(error)}") from error
    try:
        spark = _Session(session)
        if settings.is_local:
            _remove_orphans(home, spark)
        yield spark
    finally:
        session.stop()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _thrift_login() -> dict[str, str]:
    """As the dbt profile has it."""
    given = {
        "username": os.environ.get("DAYBOOK_SPARK_USER") or "daybook",
        "auth": os.environ.get("DAYBOOK_SPARK_AUTH"),
        "password": os.environ.get("DAYBOOK_SPARK_PASSWORD"),
    }
    return {name: value for name, value in given.items() if value}


def _start_session(home: Home, settings: Settings) -> Any:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("daybook")
    if settings.endpoint.startswith("sc://"):
        os.environ["SPARK_REMOTE"] = settings.endpoint  # dbt asks for a session too, and has to get this one
        return builder.remote(settings.endpoint).getOrCreate()
    builder = builder.master(settings.endpoint).enableHiveSupport()
    if settings.is_local:
        home.spark.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for name, value in _local_configuration(home).items():
            builder = builder.config(name, value)
    return builder.getOrCreate()


def _local_configuration(home: Home) -> Mapping[str, str]:
    """Small and quiet: for one machine, and no server but for this process."""
    java = [
        # A night's code runs too seldom to be worth the second compiler. Without that one Java would reserve a code
        # cache so small that a night fills it, and Java dies of that.
        "-XX:TieredStopAtLevel=1",
        "-XX:ReservedCodeCacheSize=256m",
        # Else Derby, which keeps the catalog, writes a log file to wherever one stands.
        "-Dderby.stream.error.file=/dev/null",
    ]
    return {
        "spark.driver.extraJavaOptions": " ".join(java),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "4g",
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "4",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Tables and their catalog are kept between two runs: tests and single models read what an earlier run built.
        "spark.sql.warehouse.dir": str(home.spark / "tables"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={home.spark / 'metastore'};create=true"
        ),
    }


def _remove_orphans(home: Home, spark: Spark) -> None:
    """Remove the folders of tables that the catalog does not know: a killed run leaves them, and Spark minds them."""
    schemas = {row["namespace"] for row in spark.execute("show databases")}
    for folder in (home.spark / "tables").glob("*.db"):
        known: set[str] = set()
        if folder.stem in schemas:
            known = {row["tableName"] for row in spark.execute(f"show tables in {folder.stem}")}
        for table in folder.iterdir():
            if table.name not in known:
                shutil.rmtree(table)


# A dbt run


def run_dbt(arguments: Sequence[str]) -> int:
    """Run dbt with the lake in sight of Spark, hand over what it built, and return dbt's exit status."""
    from dbt.cli.main import dbtRunner

    runner = dbtRunner()
    if not _NEED_SPARK & set(arguments):
        return _exit_status(runner.invoke(list(arguments)))
    home = Home.from_env()
    try:
        settings = Settings.from_env(home)
        with connected(home, settings) as spark:
            for statement in show_lake(home, settings.file_format, settings.root):
                spark.execute(statement)
            done = runner.invoke(list(arguments))
            hand_over(home, settings, spark, getattr(done.result, "results", []))
    except SparkUnavailable as error:
        print(f"daybook-dbt: {error}", file=sys.stderr)
        return 2
    return _exit_status(done)


def _exit_status(done: Any) -> int:
    """As the command `dbt` has it: 0 all is well, 1 something failed, 2 dbt could not do it."""
    if done.exception:
        print(done.exception, file=sys.stderr)
        return 2
    return 0 if done.success else 1


# What a run hands over


def findings_of(home: Home) -> Path:
    """Where a run writes what it found: by unique id, the rows of a table, or a sample of what a failed test found."""
    return home.spark / "handover" / "findings.json"


def mart_folder(home: Home, mart: str) -> Path:
    """Where a run writes a mart, as Parquet files."""
    return home.spark / "handover" / "marts" / mart


def hand_over(home: Home, settings: Settings, spark: Spark, results: Sequence[Any]) -> None:
    """Write the marts that a dbt run built, and what it found, to files that need no Spark to be read."""
    findings: dict[str, Any] = {}
    for result in results:
        node = result.node
        if node.resource_type == "model" and result.status == "success" and node.config.materialized != "view":
            (counted,) = spark.execute(f"select count(*) as n from {node.relation_name}")
            findings[node.unique_id] = {"rows": counted["n"]}
            if node.schema == "marts":
                folder = f"{settings.root}/{mart_folder(home, node.name).relative_to(home.root).as_posix()}"
                spark.execute(
                    f"insert overwrite directory {literal(folder)} using parquet select * from {node.relation_name}"
                )
        elif node.resource_type == "test" and result.status in ("fail", "warn"):
            rows = spark.execute(f"select * from ({node.compiled_code}) as found limit {SAMPLE_ROWS}")
            findings[node.unique_id] = {"sample": rows}
    findings_of(home).parent.mkdir(parents=True, exist_ok=True)
    findings_of(home).write_text(json.dumps(findings, default=str))
