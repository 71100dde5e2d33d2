"""The page that says how reliable Daybook has shown itself: written by the soak, from what it counted."""

from __future__ import annotations

import ast
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from tests.hostile.run import Outcome
from tests.soak.histories import Trials
from tests.soak.kills import BOUNDARIES, INSTANT, Kills

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "reference" / "reliability.md"

_WHERE = {
    "commit-raw": "commit of a raw table of the lake",
    "commit-quarantine": "commit of the quarantine",
    "commit-ledger": "commit of the ledger",
    "model": "commit of a model in DuckDB",
    "copy": "copy of the marts for publishing",
    "fsync": "sync of a file or folder to the disk",
    "swap": "swap of the published file",
}


def page(trials: Trials, kills: Kills, extracts: Outcome, seconds: float, arguments: str, workers: int) -> str:
    """The page as Markdown."""
    counts = trials.counts
    faults = [*trials.faults, *kills.faults, *extracts.faults]
    engines = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "deltalake", "dbt-core", "dagster"))
    lines = [
        "# Reliability",
        "",
        "What `make soak` tried, and what it found. Every number here was counted by the run that wrote this page.",
        "`make test` runs the same code for a few minutes.",
        "",
        f"Run with `{arguments}`: {seconds / 60:.0f} minutes, {workers} processes on {os.cpu_count()} cores,"
        f" Python {platform.python_version()}, {engines}.",
        "",
        f"**{len(faults)} faults found**" + (":" if faults else " in this run."),
        *([""] if faults else []),
        *(f"- {' '.join(fault.split())[:300]}" for fault in faults[:50]),
        "",
        "## Random histories",
        "",
        "Extracts of all five systems, night by night: late, repeated, conflicting, corrected, withdrawn, torn and",
        "broken rows, around leap days, year ends, 53rd ISO weeks, changes of clocks. After each night every mart is",
        "compared, row by row, with a second implementation in plain Python, and with a rebuild from the lake.",
        "",
        *_table(
            ("histories", "nights", "rebuilds", "rows read", "marts compared with the reference"),
            [tuple(counts[name] for name in ("histories", "nights", "rebuilds", "night rows", "night marts"))],
        ),
        "",
        "The same events, dealt out over dates and files in random ways, loaded in random order, some dates twice:",
        "each deal against the reference, and against the first deal of its hand.",
        "",
        *_table(
            ("hands", "deals", "files", "builds", "rows", "marts compared"),
            [tuple(counts[name] for name in ("hands", "deals", "files", "builds", "dealt rows", "dealt marts"))],
        ),
        "",
        "## Kills",
        "",
        "`make nightly`, with every check, killed by SIGKILL: all its processes, or only the leading one. A night is",
        "killed one to three times, then run to its end; then every mart must be what the reference says, and so what",
        "a night that was not killed gives.",
        "",
        *_table(
            ("where", "before", "after"),
            [(told, kills.killed[f"before-{what}"], kills.killed[f"after-{what}"]) for what, told in _WHERE.items()],
        ),
        "",
        f"And {kills.killed[INSTANT]} times at a random instant: {kills.killed.total()} kills in all.",
        f"{kills.nights} nights ran to their end and were compared; {kills.missed} were over before their time came.",
        f"Meanwhile a reader opened the published file {kills.opened:,} times, and read every mart: it has to meet no",
        "error, no missing table, and no state but those before and after a night.",
        "",
        "## Hostile extracts",
        "",
        "Landing folders that nobody should deliver, in every format: loaded, loaded again, mended and loaded. Each",
        "row is held against a second account of its file in plain Python; nothing outside of the home may be read,",
        "or changed.",
        "Files by what is wrong with them:",
        "",
        extracts.table(),
        "",
        "",
        "## What was found, and mended",
        "",
        "Each stays as a test.",
        "",
        *(f"- {told} (`{where}`)" for where, told in sorted(found())),
        "",
    ]
    assert set(BOUNDARIES) == {f"{side}-{what}" for what in _WHERE for side in ("before", "after")}
    return "\n".join(lines)


def found() -> Iterator[tuple[str, str]]:
    """The tests that are marked as `found`: where they are, and the first sentence of their docstring."""
    for path in sorted((CHECKOUT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and any(
                "pytest.mark.found" in ast.unparse(decorator) for decorator in node.decorator_list
            ):
                told = " ".join((ast.get_docstring(node) or node.name).split()).partition(". ")[0].rstrip(".")
                yield f"{path.relative_to(CHECKOUT)}::{node.name}", told


def _table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |"
