"""Spark as the engine of a dbt run: what it is shown before it, and what it hands over behind it.

What belongs here: `daybook-dbt` on Spark. The lake comes into sight, dbt runs, marts and findings are written to files.
What does not: the connection (`spark_connection`), the models' SQL (`dbt_project`), and what becomes of what was handed
over (`engines`).
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ingestion.home import Home
from ingestion.lake_on_spark import literal, show_lake
from ingestion.lock import writes_for_the_writer, writes_on_behalf
from orchestration.spark_connection import Settings, Spark, SparkUnavailable, connected

SAMPLE_ROWS = 10  # of those that a test found: enough to see what is wrong

# dbt's commands that read or write tables; the others need no Spark.
_NEED_SPARK = {"build", "compile", "retry", "run", "run-operation", "seed", "show", "snapshot", "test"}


def run_dbt(arguments: Sequence[str]) -> int:
    """Run dbt with the lake in sight of Spark, hand over what it built, and return dbt's exit status."""
    from dbt.cli.main import dbtRunner

    runner = dbtRunner()
    if not _NEED_SPARK & set(arguments):
        return _exit_status(runner.invoke(list(arguments)))
    home = Home.from_env()
    try:
        settings = Settings.from_env(home)
        writes = writes_for_the_writer(home) if writes_on_behalf() else nullcontext()
        with writes, connected(home, settings) as spark:
            _show_lake(home, settings, spark)
            done = runner.invoke(list(arguments))
            hand_over(home, settings, spark, getattr(done.result, "results", []))
    except SparkUnavailable as error:
        _tell(str(error))
        return 2
    return _exit_status(done)


def _show_lake(home: Home, settings: Settings, spark: Spark) -> None:
    try:
        for statement in show_lake(home, settings.file_format, settings.root):
            spark.execute(statement)
    except Exception as error:  # of whatever Spark is made of
        told = next(iter(str(error).splitlines()), type(error).__name__)
        raise SparkUnavailable(
            f"Spark cannot read the lake at {settings.root} as {settings.file_format}: {told}"
        ) from error


def _exit_status(done: Any) -> int:
    """As the command `dbt` has it: 0 all is well, 1 something failed, 2 dbt could not do it."""
    if done.exception:
        _tell(str(done.exception))
        return 2
    return 0 if done.success else 1


def _tell(error: str) -> None:
    """Say what is wrong as dbt would, for who reads its log may be a program."""
    if os.environ.get("DBT_LOG_FORMAT") == "json":
        print(json.dumps({"info": {"name": "DaybookError", "level": "error", "msg": error}, "data": {}}), flush=True)
    else:
        print(error, file=sys.stderr)


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
        is_mart = node.resource_type == "model" and node.schema == "marts"  # also where it is a view
        has_rows = is_mart or (node.resource_type == "model" and node.config.materialized != "view")
        if has_rows and result.status == "success":
            (counted,) = spark.execute(f"select count(*) as n from {node.relation_name}")
            findings[node.unique_id] = {"rows": counted["n"]}
            if is_mart:
                folder = f"{settings.root}/{mart_folder(home, node.name).relative_to(home.root).as_posix()}"
                spark.execute(
                    f"insert overwrite directory {literal(folder)} using parquet select * from {node.relation_name}"
                )
        elif node.resource_type == "test" and result.status in ("fail", "warn"):
            rows = spark.execute(f"select * from ({node.compiled_code}) as found limit {SAMPLE_ROWS}")
            findings[node.unique_id] = {"sample": rows}
    findings_of(home).parent.mkdir(parents=True, exist_ok=True)
    findings_of(home).write_text(json.dumps(findings, default=str))
