"""Where Spark is and how it is reached: on this machine, on a cluster, or behind a Connect or Thrift server.

What belongs here: the settings from the environment, what is missing to use them, and the connection. What does not:
what is done with Spark (`spark`).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from ingestion.home import Home
from ingestion.lake_on_spark import Reader
from orchestration.wording import in_short

Rows = list[dict[str, Any]]

_OLDEST_JAVA = 17

_PATTERNS = set("*?[]{}\\")  # in a path, Spark looks for files that match


class SparkUnavailable(RuntimeError):
    """Spark cannot be used here; the message says what is missing."""


@dataclass(frozen=True)
class Settings:
    """Where Spark is and what it can do. docs/guides/spark.md explains the variables."""

    endpoint: str  # a master, sc://host:port (Connect) or thrift://host:port
    file_format: Reader
    root: str  # the home's folder as Spark sees it
    catalog: str | None = None  # by default the one that Spark begins with

    @classmethod
    def from_env(cls, home: Home) -> Self:
        """As the variables `DAYBOOK_SPARK_*` say."""
        file_format = os.environ.get("DAYBOOK_SPARK_FILE_FORMAT") or "parquet"
        if file_format not in ("delta", "parquet"):
            raise SparkUnavailable(f"DAYBOOK_SPARK_FILE_FORMAT is {file_format!r}; it can be delta or parquet")
        endpoint = os.environ.get("DAYBOOK_SPARK_ENDPOINT") or "local[2]"
        if not re.match(r"local|yarn$|(spark|k8s|sc|thrift)://[^/:]", endpoint):
            raise SparkUnavailable(
                f"DAYBOOK_SPARK_ENDPOINT is {endpoint!r}; it can be local[2], yarn, spark://host:7077, k8s://host,"
                " sc://host:15002 or thrift://host:10000"
            )
        return cls(
            endpoint=endpoint,
            file_format="delta" if file_format == "delta" else "parquet",
            root=(os.environ.get("DAYBOOK_SPARK_HOME") or str(home.root)).rstrip("/"),
            catalog=os.environ.get("DAYBOOK_SPARK_CATALOG"),
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
    open_ = _thrift if settings.endpoint.startswith("thrift://") else _session
    with open_(home, settings) as spark:
        if settings.catalog:
            spark.execute(f"use {settings.catalog}")
        yield spark


@contextmanager
def _session(home: Home, settings: Settings) -> Iterator[Spark]:
    """The session of this process, started here or on a Connect server; dbt asks for one and gets this one."""
    try:
        session = _connect_session(settings) if settings.endpoint.startswith("sc://") else _own_session(home, settings)
    except Exception as error:  # of Java, of the network: there is no end to their types
        raise _unreachable(settings, error) from error
    try:
        spark = _Session(session)
        if settings.is_local:
            _remove_orphans(home, spark)
        yield spark
    finally:
        session.stop()


@contextmanager
def _thrift(home: Home, settings: Settings) -> Iterator[Spark]:
    from pyhive import hive

    server = urlsplit(settings.endpoint)
    login = {
        "username": os.environ.get("DAYBOOK_SPARK_USER") or "daybook",
        "auth": os.environ.get("DAYBOOK_SPARK_AUTH"),
        "password": os.environ.get("DBT_ENV_SECRET_DAYBOOK_SPARK_PASSWORD"),
        "kerberos_service_name": os.environ.get("DAYBOOK_SPARK_KERBEROS_SERVICE"),
    }
    try:
        connection = hive.connect(
            host=server.hostname,
            port=server.port or _PORTS[server.scheme],
            **{name: value for name, value in login.items() if value},
        )
    except Exception as error:  # of sockets, of Thrift, of the login
        raise _unreachable(settings, error) from error
    try:
        yield _Thrift(connection)
    finally:
        connection.close()


def _unreachable(settings: Settings, error: Exception) -> SparkUnavailable:
    # What stands behind the host can be a token.
    place = urlsplit(settings.endpoint)
    port = f":{place.port}" if place.port else ""
    server = f"{place.scheme}://{place.hostname}{port}" if place.hostname else settings.endpoint
    return SparkUnavailable(f"no Spark at {server}: {in_short(str(error)) or type(error).__name__}")


_PORTS = {"sc": 15002, "spark": 7077, "thrift": 10000}


def _knock(settings: Settings) -> None:
    """Raise OSError where nobody answers: Spark would try for minutes before it says so."""
    server = urlsplit(settings.endpoint)
    socket.create_connection((server.hostname or "", server.port or _PORTS[server.scheme]), timeout=10).close()


def _connect_session(settings: Settings) -> Any:
    from pyspark.sql import SparkSession

    _knock(settings)
    os.environ["SPARK_REMOTE"] = settings.endpoint  # for dbt, which knows no other way
    # dbt asks for Hive, which is the server's to have.
    warnings.filterwarnings("ignore", message="Failed to set spark.sql.catalogImplementation")
    session = SparkSession.builder.remote(settings.endpoint).getOrCreate()
    session.conf.set("spark.sql.connect.serverStacktrace.enabled", "false")
    return session


def _own_session(home: Home, settings: Settings) -> Any:
    from pyspark.sql import SparkSession

    if settings.endpoint.startswith("spark://"):
        _knock(settings)
    builder = SparkSession.builder.appName("daybook").master(settings.endpoint).enableHiveSupport()
    builder = builder.config("spark.ui.enabled", "false")  # a server that asks nobody for a password
    if settings.is_local:
        shutil.rmtree(_scratch(home), ignore_errors=True)
        _scratch(home).mkdir(parents=True)
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        for name, value in _local_configuration(home).items():
            builder = builder.config(name, value)
    return builder.getOrCreate()


def _scratch(home: Home) -> Path:
    """What Spark writes on the way; a killed run leaves it behind."""
    return home.spark / "tmp"


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
        "spark.hadoop.hive.downloaded.resources.dir": str(_scratch(home) / "hive"),
        "spark.local.dir": str(_scratch(home)),
        "spark.log.level": "ERROR",
        "spark.sql.shuffle.partitions": "4",
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
