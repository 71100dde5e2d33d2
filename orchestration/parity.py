"""Parity: the same lake built on both engines, and every mart compared row by row.

What belongs here: what is compared and how, and the command `make parity`. What does not: building (`dbt_command`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from ingestion.extracts import Extract, ExtractError
from ingestion.home import Home
from ingestion.load import Loader
from ingestion.lock import writer_lock
from ingestion.sql import identifier, quoted
from orchestration.engines import DuckDB, Engine, Spark, handed_over
from orchestration.manifest import PROJECT_DIR, marts_of
from orchestration.nightly import outlook_of
from orchestration.resources import Progress, dbt_executable
from orchestration.spark_connection import Settings, why_unavailable
from orchestration.wording import counted

# Numbers agree if they differ by no more than this part of the larger one; texts, counts, dates and keys are equal.
RELATIVE_TOLERANCE = 1e-9

_MEASURED = r"DOUBLE|FLOAT|DECIMAL\(\d+,\d+\)"


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
    """How one mart compares: its rows by side, and what differs, in words without a value of a row."""

    mart: str
    rows: Mapping[str, int]
    differences: tuple[str, ...]


def compare_marts(home: Home, manifest: Mapping[str, Any]) -> Iterator[Comparison]:
    """Compare every mart of the project as DuckDB has it at work, and as Spark handed it over."""
    with duckdb.connect() as con:
        con.execute(f"attach {quoted(str(home.marts))} as daybook (read_only)")
        for mart in marts(manifest):
            try:
                sides = {"DuckDB": f"daybook.marts.{identifier(mart.name)}", "Spark": handed_over(home, mart.name)}
            except FileNotFoundError as error:
                yield Comparison(mart.name, {}, (str(error),))
            else:
                yield compare(con, mart, sides)


def compare(con: duckdb.DuckDBPyConnection, mart: Mart, sides: Mapping[str, str]) -> Comparison:
    """Compare two relations of a connection, row by row by the mart's key; `sides` gives their SQL by their names."""
    types = {side: _types(con, relation) for side, relation in sides.items()}
    rows = {side: _number(con, f"select count(*) from {relation}") for side, relation in sides.items()}
    differences = []
    for column in mart.columns:
        said = [f"{known.get(column, 'missing')} on {side}" for side, known in types.items()]
        if len({known.get(column) for known in types.values()}) > 1:
            differences.append(f"{column} is {' and '.join(said)}")
    if not differences:
        differences = [*_different_rows(con, mart, types, sides)]
    return Comparison(mart.name, rows, tuple(differences))


def _different_rows(
    con: duckdb.DuckDBPyConnection, mart: Mart, types: Mapping[str, Mapping[str, str]], sides: Mapping[str, str]
) -> Iterator[str]:
    (first, a), (second, b) = sides.items()
    key = ", ".join(identifier(name) for name in mart.key)
    for side, relation in sides.items():
        twice = _number(con, f"select count(*) from (select 1 from {relation} group by {key} having count(*) > 1)")
        if twice:
            yield f"{counted(twice, 'key')} more than once on {side}"
            return
    others = [name for name in mart.columns if name not in mart.key]
    alone = [f"count(*) filter ({side}.in_it is null)" for side in "ba"]
    changed = [f"count(*) filter (a.in_it and b.in_it and not ({_same(name, types[first][name])}))" for name in others]
    counts = con.execute(
        f"select {', '.join([*alone, *changed])} from (select *, true as in_it from {a}) as a"
        f" full join (select *, true as in_it from {b}) as b using ({key})"
    ).fetchone()
    assert counts is not None
    told = [f"on {first} alone", f"on {second} alone", *(f"with another {name}" for name in others)]
    yield from (f"{counted(rows, 'row')} {what}" for rows, what in zip(counts, told, strict=True) if rows)


def _same(column: str, type_: str) -> str:
    """SQL: whether both sides have the same value in a column."""
    a, b = f"a.{identifier(column)}", f"b.{identifier(column)}"
    same = f"{a} is not distinct from {b}"
    if not re.fullmatch(_MEASURED, type_):
        return same
    x, y = f"cast({a} as double)", f"cast({b} as double)"
    near = f"isfinite({x}) and isfinite({y}) and abs({x} - {y}) <= {RELATIVE_TOLERANCE} * greatest(abs({x}), abs({y}))"
    return f"({same} or coalesce({near}, false))"


def _types(con: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    return {name: type_ for name, type_, *_ in con.execute(f"describe from {relation}").fetchall()}


def _number(con: duckdb.DuckDBPyConnection, query: str) -> int:
    [(number,)] = con.execute(query).fetchall()
    return int(number)


# The command


class ParityError(RuntimeError):
    """One of the engines could not build the models."""


def parity(home: Home) -> int:
    """Load what is new, build the lake on both engines, compare; 0 if every mart is the same on both."""
    missing = why_unavailable(Settings.from_env(home))
    if missing:
        print(f"make parity: {missing}")
        return 2
    with writer_lock(home, "make parity", report=print):
        outlook = outlook_of(home)
        if outlook is None:
            return 1
        _load(home, outlook.pending)
        try:
            manifest = build(home, DuckDB())
            build(home, Spark())
        except ParityError as error:
            print(error)
            return 1
        print()
        compared = []
        for comparison in compare_marts(home, manifest):
            compared.append(comparison)
            print(_line(comparison), flush=True)
    different = sum(bool(comparison.differences) for comparison in compared)
    told = (
        f"{different} of {counted(len(compared), 'mart')} differ"
        if different
        else "all marts are the same on both engines"
    )
    print(f"\n{told}")
    return 1 if different else 0


def _load(home: Home, extracts: Sequence[Extract]) -> None:
    """Load what is new or changed; an extract that cannot be read is told, and stops nothing."""
    progress = Progress()
    with Loader(home) as loader:
        for done, (_, outcome) in enumerate(loader.load_all(extracts), start=1):
            if isinstance(outcome, ExtractError):
                print(outcome, flush=True)
            progress.tell(f"load: {done:,} of {counted(len(extracts), 'extract')}", last=done == len(extracts))


def build(home: Home, engine: Engine) -> Mapping[str, Any]:
    """Bring the models of an engine up to date with the lake, as a night does; returns dbt's manifest."""
    engine.prepare(home)
    command = [dbt_executable(), "--log-level-file", "none", "build", "--resource-type", "seed", "model"]
    command += ["--target-path", str(engine.artifacts(home))]
    began, built, progress, failed = time.monotonic(), 0, Progress(), []
    with subprocess.Popen(
        command,
        cwd=PROJECT_DIR,
        env={
            **os.environ,
            "DAYBOOK_ENGINE": engine.name,
            "DAYBOOK_HOME": str(home.root),
            "DBT_LOG_FORMAT": "json",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as dbt:
        assert dbt.stdout is not None
        for line in dbt.stdout:
            if not line.startswith("{"):  # Java has things to say too
                continue
            event = json.loads(line)
            if event["info"]["name"] in ("LogModelResult", "LogSeedResult"):
                built += 1
                progress.tell(f"{engine.name}: {built} of {event['data']['total']} models and seeds")
            if event["info"]["level"] == "error":
                failed.append(event["info"]["msg"].strip())
    if dbt.returncode:
        raise ParityError(f"dbt failed on {engine.name}:\n" + "\n".join(failed))
    print(f"{engine.name}: built in {time.monotonic() - began:.0f} s", flush=True)
    return dict(json.loads((engine.artifacts(home) / "manifest.json").read_text()))


def _line(compared: Comparison) -> str:
    rows = ", ".join(f"{rows:,}" for rows in sorted(set(compared.rows.values()))) or "no"
    said = "DIFFERS: " + "; ".join(compared.differences) if compared.differences else "same on DuckDB and Spark"
    return f"{compared.mart:<28} {rows:>16} rows   {said}"
