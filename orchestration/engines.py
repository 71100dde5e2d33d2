"""The engines that can run the models: DuckDB in files of the home, or Spark. One resource drives either.

What belongs here: what differs between them before and after a dbt run. What does not: the dbt run itself (`assets`),
what happens in Spark (`spark`), and SQL, which differs in the project's macros alone.

Whichever engine builds, the marts end up in `work/daybook.duckdb`: the checks, and publishing, are the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import dagster as dg
import duckdb

from ingestion.home import Home, wal_of
from ingestion.sql import file_name, identifier, quoted
from mastery.store import Store
from orchestration import spark
from orchestration.databases import Row, rows_of, warehouse_connection
from orchestration.manifest import marts_of, start_from_what_is_parsed
from orchestration.spark_connection import Settings, SparkUnavailable, why_unavailable

Node = Mapping[str, Any]  # of dbt's manifest


class Findings(Protocol):
    """What a dbt run left in the engine."""

    def rows(self, node: Node) -> int | None:
        """How many rows the table of a model has; None where nobody counted."""

    def sample(self, node: Node, query: str | None) -> list[Row]:
        """A few of the rows that the query of a test found."""


class DuckDB:
    """Models in `work/warehouse.duckdb`, marts in `work/daybook.duckdb`."""

    name = "duckdb"

    def artifacts(self, home: Home) -> Path:
        """The folder for dbt's artifacts: what it wrote of a run is of use until the next."""
        return home.work / "dbt"

    def check(self, home: Home) -> None:
        """Nothing can be missing: it comes with the default install."""

    def prepare(self, home: Home) -> None:
        """Before a dbt run: the lake has a model of topic mastery, and dbt what is parsed already."""
        home.work.mkdir(parents=True, exist_ok=True)
        Store(home).install_shipped()
        start_from_what_is_parsed(self.artifacts(home))

    def collect(self, home: Home, manifest: Mapping[str, Any]) -> None:
        """Behind a dbt run: the marts are where they have to be."""

    @contextmanager
    def findings(self, home: Home) -> Iterator[Findings]:
        """Read from the databases: DuckDB lets nobody in while dbt writes."""
        with warehouse_connection(home) as con:
            yield _InDuckDB(con)


class _InDuckDB:
    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def rows(self, node: Node) -> int | None:
        (counted,) = rows_of(self._con, f"select count(*) as n from {node['relation_name']}")
        return int(counted["n"])

    def sample(self, node: Node, query: str | None) -> list[Row]:
        return rows_of(self._con, f"select * from ({query}) limit {spark.SAMPLE_ROWS}") if query else []


class Spark:
    """Models and marts in Spark's own tables; what it hands over is read from files."""

    name = "spark"

    def artifacts(self, home: Home) -> Path:
        """The folder for dbt's artifacts; not DuckDB's, or dbt would parse all anew after each change of engine."""
        return home.spark / "dbt"

    def check(self, home: Home) -> None:
        """Raise SparkUnavailable with what is missing."""
        missing = why_unavailable(Settings.from_env(home))
        if missing:
            raise SparkUnavailable(missing)

    def prepare(self, home: Home) -> None:
        """Before a dbt run: the lake has a model of topic mastery, and what an earlier run handed over is forgotten."""
        home.work.mkdir(parents=True, exist_ok=True)
        Store(home).install_shipped()
        spark.findings_of(home).unlink(missing_ok=True)

    def collect(self, home: Home, manifest: Mapping[str, Any]) -> None:
        """Behind a dbt run: the marts that it handed over come into the file of the marts; others stay as they are."""
        if not spark.findings_of(home).exists():  # dbt did not come so far
            return
        built = json.loads(spark.findings_of(home).read_text())
        fresh = home.spark / home.marts.name
        for path in (fresh, wal_of(fresh)):
            path.unlink(missing_ok=True)
        with duckdb.connect(":memory:") as con:
            con.execute(f"attach {quoted(str(fresh))} as daybook")
            con.execute("create schema daybook.marts")
            old = _attach_old(con, home)
            for node in marts_of(manifest):
                if node["unique_id"] in built:
                    _take(con, node, handed_over(home, node["name"]))
                elif node["name"] in old:
                    _take(con, node, f"old.marts.{identifier(node['name'])}")
            con.execute("detach daybook")
        wal_of(home.marts).unlink(missing_ok=True)
        fresh.replace(home.marts)

    @contextmanager
    def findings(self, home: Home) -> Iterator[Findings]:
        """Read from what the run handed over."""
        path = spark.findings_of(home)
        yield _HandedOver(json.loads(path.read_text()) if path.exists() else {})


class _HandedOver:
    def __init__(self, findings: Mapping[str, Any]) -> None:
        self._findings = findings

    def rows(self, node: Node) -> int | None:
        found = self._findings.get(node["unique_id"])
        return int(found["rows"]) if found else None

    def sample(self, node: Node, query: str | None) -> list[Row]:
        return list(self._findings.get(node["unique_id"], {}).get("sample", []))


def handed_over(home: Home, mart: str) -> str:
    """The SQL of the rows of a mart as Spark handed it over, in their order. Raises FileNotFoundError."""
    files = sorted(spark.mart_folder(home, mart).glob("*.parquet"))
    if not files:
        raise FileNotFoundError(f"Spark has not handed over the mart {mart}: {spark.mart_folder(home, mart)} is empty")
    return f"read_parquet([{', '.join(map(file_name, files))}])"


def _attach_old(con: duckdb.DuckDBPyConnection, home: Home) -> set[str]:
    """Attach the file of the marts as it was, as `old`; the names of its marts."""
    if not home.marts.exists():
        return set()
    con.execute(f"attach {quoted(str(home.marts))} as old (read_only)")
    marts = con.execute(
        "select table_name from information_schema.tables where table_catalog = 'old' and table_schema = 'marts'"
    )
    return {name for (name,) in marts.fetchall()}


def _take(con: duckdb.DuckDBPyConnection, node: Node, rows: str) -> None:
    """Write rows as a mart, with the descriptions that analysts look for."""
    table = f"daybook.marts.{identifier(node['name'])}"
    con.execute(f"create table {table} as from {rows}")
    con.execute(f"comment on table {table} is {quoted(node['description'])}")
    for column in node["columns"].values():
        con.execute(f"comment on column {table}.{identifier(column['name'])} is {quoted(column['description'])}")


Engine = DuckDB | Spark


class EngineResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Which engine runs the models. The assets, checks and jobs are the same for each."""

    name: str | None = None  # `duckdb` or `spark`; by default the one that DAYBOOK_ENGINE names

    def why_unavailable(self, home: Home) -> str | None:
        """What is missing to build with the engine; None where nothing is."""
        try:
            self._engine().check(home)
        except (SparkUnavailable, ValueError) as error:
            return str(error)
        return None

    def chosen(self, home: Home) -> Engine:
        """The engine, made ready for a dbt run; dbt, a process of its own, is told by the environment."""
        engine = self._engine()
        engine.check(home)
        engine.prepare(home)
        os.environ["DAYBOOK_ENGINE"] = engine.name
        os.environ["DAYBOOK_HOME"] = str(home.root)
        return engine

    def _engine(self) -> Engine:
        name = self.name or os.environ.get("DAYBOOK_ENGINE") or DuckDB.name
        engines: dict[str, Engine] = {DuckDB.name: DuckDB(), Spark.name: Spark()}
        if name not in engines:
            raise ValueError(f"DAYBOOK_ENGINE is {name!r}; it can be {' or '.join(engines)}")
        return engines[name]
