"""Parity: the same lake built on both engines, and every mart compared row by row.

What belongs here: what is compared and how, and the command `make parity`. What does not: building (`dbt_command`).
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import duckdb

from ingestion.extracts import ExtractError
from ingestion.home import Home
from ingestion.load import Loader, pending
from ingestion.lock import writer_lock
from ingestion.sql import identifier, quoted
from orchestration import spark
from orchestration.engines import DuckDB, Engine, Spark
from orchestration.manifest import PROJECT_DIR, marts_of
from orchestration.nightly import write_demo_where_nothing_is
from orchestration.resources import Progress, dbt_executable
from orchestration.wording import counted

# Numbers agree if they differ by no more than this part of the larger one; texts, counts, dates and keys are equal.
RELATIVE_TOLERANCE = 1e-9

_MEASURED = ("DOUBLE", "FLOAT", "DECIMAL")


@dataclass(frozen=True)
class Mart:
    """What is compared of a mart: all its columns but those that describe the build."""

    name: str
    key: tuple[str, ...]
    columns: tuple[str, ...]


def marts(manifest: Mapping[str, Any]) -> list[Mart]:
    """Every mart of the project, by name: a new one is compared without anybody remembering it."""
    keys = {
        test["attached_node"]: tuple(test["test_metadata"]["kwargs"]["columns"])
        for test in manifest["nodes"].values()
        if (test.get("test_metadata") or {}).get("name") == "primary_key"
    }
    return [
        Mart(
            node["name"],
            keys[node["unique_id"]],
            tuple(
                name for name, column in node["columns"].items() if not column["config"]["meta"].get("about_the_build")
            ),
        )
        for node in sorted(marts_of(manifest), key=lambda node: str(node["name"]))
    ]


@dataclass(frozen=True)
class Comparison:
    """How one mart compares: its rows on either side, and what differs, in words without a value of a row."""

    mart: str
    rows: tuple[int, int]
    differences: tuple[str, ...]


def compare(con: duckdb.DuckDBPyConnection, mart: Mart, first: str, second: str) -> Comparison:
    """Compare two relations of a connection, row by row by the mart's key."""
    types = [
        dict(con.execute(f"select column_name, column_type from (describe from {side})").fetchall())
        for side in (first, second)
    ]
    rows = tuple(con.execute(f"select count(*) from {side}").fetchone()[0] for side in (first, second))  # type: ignore[index]
    differences = [
        f"column {name} is missing on {side}"
        for name in mart.columns
        for side, known in (("the first side", types[0]), ("the second side", types[1]))
        if name not in known
    ]
    differences += [
        f"column {name} is {types[0][name]} and {types[1][name]}"
        for name in mart.columns
        if name in types[0] and name in types[1] and types[0][name] != types[1][name]
    ]
    if rows[0] != rows[1]:
        differences.append(f"{rows[0]:,} and {rows[1]:,} rows")
    if not differences:
        differences += _different_rows(con, mart, types[0], first, second)
    return Comparison(mart.name, (rows[0], rows[1]), tuple(differences))


def _different_rows(
    con: duckdb.DuckDBPyConnection, mart: Mart, types: Mapping[str, str], first: str, second: str
) -> Iterator[str]:
    for side in (first, second):
        keys = ", ".join(identifier(name) for name in mart.key)
        (twice,) = con.execute(
            f"select count(*) from (select 1 from {side} group by {keys} having count(*) > 1)"
        ).fetchone() or (0,)
        if twice:
            yield f"{counted(twice, 'key')} more than once"
            return
    same_key = " and ".join(f"a.{identifier(name)} = b.{identifier(name)}" for name in mart.key)
    a_key = identifier(mart.key[0])
    others = [name for name in mart.columns if name not in mart.key]
    counts = ", ".join(
        [
            f"count(*) filter (a.{a_key} is null or b.{a_key} is null)",
            *(f"count(*) filter (not ({_same(name, types[name])}))" for name in others),
        ]
    )
    alone, *different = con.execute(
        f"select {counts} from {first} as a full join {second} as b on {same_key}"
    ).fetchone() or (0,)
    if alone:
        yield f"{counted(alone, 'key')} on one side alone"
    else:
        yield from (
            f"{name} differs in {counted(rows, 'row')}" for name, rows in zip(others, different, strict=True) if rows
        )


def _same(column: str, type_: str) -> str:
    """SQL: whether both sides have the same value in a column."""
    a, b = f"a.{identifier(column)}", f"b.{identifier(column)}"
    if not type_.startswith(_MEASURED):
        return f"{a} is not distinct from {b}"
    return (
        f"case when {a} is null or {b} is null then {a} is null and {b} is null"
        f" else abs({a} - {b}) <= {RELATIVE_TOLERANCE} * greatest(abs({a}), abs({b})) end"
    )


# The command


class ParityError(RuntimeError):
    """One of the engines could not build the models."""


def parity(home: Home) -> int:
    """Load what is new, build the lake on both engines, compare; 0 if every mart is the same on both."""
    missing = spark.why_unavailable(spark.Settings.from_env(home))
    if missing:
        print(f"make parity: {missing}")
        return 2
    with writer_lock(home, "make parity", report=print):
        _load(home)
        try:
            manifest = _build(home, DuckDB())
            _build(home, Spark())
        except ParityError as error:
            print(error)
            return 1
        print()
        with duckdb.connect() as con:
            con.execute(f"attach {quoted(str(home.marts))} as daybook (read_only)")
            compared = []
            for mart in marts(manifest):
                handed_over = f"read_parquet({quoted(str(spark.mart_folder(home, mart.name) / '*.parquet'))})"
                compared.append(compare(con, mart, f"daybook.marts.{identifier(mart.name)}", handed_over))
                print(_line(compared[-1]), flush=True)
    different = sum(bool(comparison.differences) for comparison in compared)
    told = (
        f"{different} of {counted(len(compared), 'mart')} differ"
        if different
        else "all marts are the same on both engines"
    )
    print(f"\n{told}")
    return 1 if different else 0


def _load(home: Home) -> None:
    """Load what is new or changed; an extract that cannot be read is told, and stops nothing."""
    write_demo_where_nothing_is(home)
    progress = Progress()
    extracts = pending(home)
    with Loader(home) as loader:
        for done, (_, outcome) in enumerate(loader.load_all(extracts), start=1):
            if isinstance(outcome, ExtractError):
                print(outcome, flush=True)
            progress.tell(f"load: {done:,} of {counted(len(extracts), 'extract')}", last=done == len(extracts))


def _build(home: Home, engine: Engine) -> Mapping[str, Any]:
    """Bring the models of an engine up to date with the lake, as a night does; returns dbt's manifest."""
    engine.prepare(home)
    command = [dbt_executable(), "--log-format", "json", "--log-level-file", "none", "run", "--project-dir"]
    command += [str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR), "--target-path", str(engine.artifacts(home))]
    began, progress, failed = time.monotonic(), Progress(), []
    with subprocess.Popen(
        command,
        env={**os.environ, "DAYBOOK_ENGINE": engine.name, "DAYBOOK_HOME": str(home.root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as dbt:
        assert dbt.stdout is not None
        for line in dbt.stdout:
            event = json.loads(line) if line.startswith("{") else {"info": {"name": "", "level": "", "msg": line}}
            if event["info"]["name"] == "LogModelResult":
                data = event["data"]
                progress.tell(f"{engine.name}: {data['index']} of {data['total']} models")
            if event["info"]["level"] == "error":
                failed.append(event["info"]["msg"].strip())
    if dbt.returncode:
        raise ParityError(f"dbt failed on {engine.name}:\n" + "\n".join(failed))
    print(f"{engine.name}: built in {time.monotonic() - began:.0f} s", flush=True)
    return dict(json.loads((engine.artifacts(home) / "manifest.json").read_text()))


def _line(compared: Comparison) -> str:
    said = "DIFFERS: " + "; ".join(compared.differences) if compared.differences else "same on DuckDB and Spark"
    return f"{compared.mart:<28} {compared.rows[0]:>12,} rows   {said}"
