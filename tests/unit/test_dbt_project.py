"""What holds for every file of the dbt project, read as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
FILES = sorted(path for folder in ("models", "tests") for path in (PROJECT / folder).rglob("*") if path.is_file())


def found(pattern: str, paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(pattern, line, re.IGNORECASE)
    ]


def test_there_are_files_to_look_at() -> None:
    assert {path.suffix for path in FILES} >= {".sql", ".yml"}


@pytest.mark.parametrize("pattern", [r"duck\s?db", r"spark", r"target\.(type|name)"])
def test_no_model_and_no_test_names_an_engine(pattern: str) -> None:
    assert found(pattern, FILES) == []


@pytest.mark.parametrize("pattern", [r"json", r"->", r"current_(date|timestamp)", r"\bnow\("])
def test_no_model_reads_json_or_the_clock(pattern: str) -> None:
    assert found(pattern, [path for path in FILES if path.suffix == ".sql"]) == []


def test_sql_of_one_engine_is_in_macros_that_are_dispatched() -> None:
    """What is spelled for Spark is the Spark side of a macro that DuckDB has by default."""
    macros = "\n".join(path.read_text() for path in (PROJECT / "macros").rglob("*.sql"))
    named = set(re.findall(r"\{% macro spark__(\w+)\(", macros)) - {"cast"}  # dbt's own
    assert named
    assert {name for name in named if f"adapter.dispatch('{name}')" not in macros} == set()
    assert {name for name in named if f"macro default__{name}(" not in macros} == set()
