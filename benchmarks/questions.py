"""How long an answer takes: the questions of `questions.yaml`, on the published marts and on the raw events.

What belongs here: asking, and the clock. What does not: the questions.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import yaml

from benchmarks.baseline import build
from ingestion.home import Home

QUESTIONS = Path(__file__).with_name("questions.yaml")

_RUNS_ON_MARTS = 20
_RUNS_ON_EVENTS = 3


@dataclass(frozen=True)
class Answer:
    """How long the answer to a question took, in seconds, behind a first time that is not counted."""

    question: str
    events: int  # that are asked about
    on_marts: float  # 95th percentile
    on_events: float  # median


def ask(home: Home, tell: Callable[[str], None]) -> list[Answer]:
    """Ask every question of the published marts, and of the raw events of the same extracts."""
    raw = home.root / "events.duckdb"
    raw.unlink(missing_ok=True)
    build(home.landing, raw, only_events=True)
    answers = []
    with (
        duckdb.connect(str(raw), read_only=True) as events,
        duckdb.connect(str(home.published), read_only=True) as marts,
    ):
        for con in (events, marts):
            con.execute("set timezone = 'UTC'")
        [(rows,)] = events.execute("select count(*) from events").fetchall()
        for asked in yaml.safe_load(QUESTIONS.read_text()):
            on_marts = _times(marts, asked["marts"], _RUNS_ON_MARTS)
            on_events = _times(events, asked["events"], _RUNS_ON_EVENTS)
            percentile = statistics.quantiles(on_marts, n=20, method="inclusive")[-1]
            answers.append(Answer(asked["question"], rows, percentile, statistics.median(on_events)))
            tell(f"{asked['name']}: {answers[-1].on_marts * 1000:.0f} ms on the marts")
    raw.unlink()
    return answers


def _times(con: duckdb.DuckDBPyConnection, query: str, runs: int) -> list[float]:
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        con.execute(query).fetchall()
        times.append(time.perf_counter() - began)
    return times[1:]
