"""What is measured, and how often: one function for each thing that a user would care about.

What belongs here: which commands run on which extracts. What does not: clocks (`clock`), and what is told (`report`).
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import psutil

from benchmarks import events
from benchmarks.baseline import SNAPSHOTS
from benchmarks.clock import CommandFailed, Cost, measure
from benchmarks.homes import Night, deliver, imports, new_home, nightly
from ingestion.home import Home

Tell = Callable[[str], None]
# Gives what was measured under a name, and measures it where it was not yet.
Once = Callable[[str, Callable[[], Any]], Any]
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    first_load: int = 10_000_000  # events
    first_load_dates: int = 30
    news: int = 1_000_000  # events of an extract date of the nights
    histories: tuple[int, ...] = (10_000_000, 30_000_000, 100_000_000)
    beside: int = 1_000_000
    runs: int = 3  # that are counted
    warm_ups: int = 1  # that are not, before them
    # What DuckDB may take where memory is measured, by the events that lie in the lake.
    memory: Mapping[int, str] = field(default_factory=lambda: {10_000_000: "2.5GB", 100_000_000: "4GB"})

    @property
    def nights_of_a_point(self) -> int:
        """Extract dates that nights on one history take: those to warm up, those that count, one in little memory."""
        return self.warm_ups + self.runs + 1

    @property
    def dates(self) -> int:
        """Extract dates of the nights; at the end some more, for nights of a bench that was cut off."""
        delivered = 0
        for history in self.histories:
            delivered = max(delivered, history // self.news) + self.nights_of_a_point
        return delivered + self.nights_of_a_point

    @property
    def events(self) -> int:
        """About how many events are written in all, at a time."""
        return max(self.dates * self.news, self.first_load)

    @property
    def have_goals(self) -> bool:
        """Whether they are those that the goals were set for."""
        full = Sizes()
        return all(getattr(self, size) == getattr(full, size) for size in ("first_load", "news", "beside")) and (
            min(self.histories),
            max(self.histories),
        ) == (min(full.histories), max(full.histories))

    def counted(self, once: Callable[[], Measured]) -> list[Measured]:
        """A measurement, so many times, behind those that warm caches up."""
        return [once() for _ in range(self.warm_ups + self.runs)][self.warm_ups :]


SMOKE = Sizes(
    first_load=6_000,
    first_load_dates=3,
    news=2_000,
    histories=(4_000,),
    beside=6_000,
    runs=1,
    warm_ups=0,
    memory={4_000: "200MB"},
)

# With a limit models are built one at a time: of 100 million events two at once spilled more than 33 GB.
_WHILE_HISTORY_LOADS = f"{psutil.virtual_memory().total * 2 // 3 // 10**9}GB"

_THREE = "+study_sessions +daily_user_stats +topic_mastery"

# By what each is called, the slowest last. Daybook's own three marts are without their tests, as those of the others.
COMMANDS: Mapping[str, Sequence[str]] = {
    "Daybook: load": ("{python}", "-m", "ingestion", "load"),
    "Daybook: load, three marts": (
        "sh",
        "-c",
        f"{{python}} -m ingestion load && daybook-dbt run --project-dir dbt_project --profiles-dir dbt_project"
        f" --target-path {{output}}/dbt --select {_THREE}",
    ),
    "Daybook: a whole night, every mart and check": ("{python}", "-m", "orchestration", "nightly"),
    "pandas: three marts": ("{python}", "-m", "benchmarks.alternatives.pandas_marts", "{landing}", "{output}"),
    "pandas: three marts, JSON by pyarrow": (
        "{python}",
        "-m",
        "benchmarks.alternatives.pandas_marts",
        "{landing}",
        "{output}",
        "--fast",
    ),
    "Spark: three marts": ("{python}", "-m", "benchmarks.alternatives.spark_marts", "{landing}", "{output}"),
    "dlt: load, tuned": (
        "{python}",
        "-m",
        "benchmarks.alternatives.dlt_load",
        "{landing}",
        "{output}/dlt.duckdb",
        "--tuned",
    ),
    "dlt: load, in its fastest configuration": (
        "{python}",
        "-m",
        "benchmarks.alternatives.dlt_load",
        "{landing}",
        "{output}/dlt.duckdb",
        "--fast",
    ),
    "dlt: load, as it comes": (
        "{python}",
        "-m",
        "benchmarks.alternatives.dlt_load",
        "{landing}",
        "{output}/dlt.duckdb",
    ),
}


class NoExtractsLeft(Exception):
    """Too many nights were cut off; the message says what to do."""


@dataclass(frozen=True)
class FirstLoad:
    """A first night over a landing zone that is full, and the hand-written script over the same files."""

    extracts: events.Written
    nights: Sequence[Night]
    baseline: Sequence[Cost]
    in_little_memory: tuple[str, Night] | None
    without_news: Sequence[Night]
    imports: Sequence[Cost]  # of a night, before it looks at anything


@dataclass(frozen=True)
class AtHistory:
    """Nights with news on a history of a size."""

    size: int  # of the history, about
    history: int  # events delivered before the first night that is counted
    news: Sequence[int]  # events of each night
    nights: Sequence[Night]
    baseline: Sequence[Cost]
    in_little_memory: tuple[str, Night] | None


@dataclass(frozen=True)
class Beside:
    """What one would use instead, on the same extracts; or why it was not measured."""

    name: str
    costs: Sequence[Cost] = ()
    why_not: str = ""
    events: int = 0


def first_load(work: Path, sizes: Sizes, tell: Tell) -> FirstLoad:
    """From landing to published marts."""
    pool = work / "first_load" / "landing"
    extracts = events.write(pool, sizes.first_load // sizes.first_load_dates, sizes.first_load_dates, "ndjson", 1, tell)
    root = work / "first_load" / "home"

    def once(environment: Mapping[str, str] | None = None) -> Night:
        home = new_home(root)
        shutil.rmtree(home.landing)
        home.landing.symlink_to(pool, target_is_directory=True)
        night = nightly(home, environment)
        tell(f"first load: {night.cost.seconds:.1f} s")
        return night

    # The one in little memory warms up as well as another.
    limit = sizes.memory.get(sizes.first_load)
    in_little = (limit, once({"DAYBOOK_MEMORY": limit})) if limit else None
    nights = replace(sizes, warm_ups=0 if in_little else sizes.warm_ups).counted(once)
    without_news = sizes.counted(lambda: nightly(Home(root)))
    tell(f"without news: {without_news[-1].cost.seconds:.1f} s")
    imported = sizes.counted(imports)
    baseline = sizes.counted(lambda: _baseline(pool, work / "first_load", tell))
    shutil.rmtree(work / "first_load")
    return FirstLoad(extracts, nights, baseline, in_little, without_news, imported)


def home_of_nights(work: Path) -> Home:
    """The home in which the history grows."""
    return Home(work / "nights" / "home")


def nights(work: Path, sizes: Sizes, tell: Tell, once: Once) -> Iterator[AtHistory]:
    """Nights with the news of a day, on a history that grows in between."""
    folder, home = work / "nights", home_of_nights(work)
    pool = folder / "landing"

    def extracts() -> events.Written:
        new_home(home.root)
        return events.write(pool, sizes.news, sizes.dates, "parquet", 1, tell)

    events_of = once("extracts", extracts).events_of

    def at(size: int) -> AtHistory:
        waiting = sorted(date.fromisoformat(path.name) for path in (pool / "study").iterdir())

        def taken(number: int) -> list[date]:
            dates = waiting[:number]
            del waiting[:number]
            deliver(pool, home, dates)
            return dates

        missing = max(0, size // sizes.news - (sizes.dates - len(waiting)))
        if missing + sizes.nights_of_a_point > len(waiting):
            raise NoExtractsLeft(f"{pool}: a bench that is cut off so often has to begin anew; remove {work}")
        taken(missing)
        loaded = nightly(home, {"DAYBOOK_MEMORY": _WHILE_HISTORY_LOADS})
        tell(f"history of {size:,} events: loaded in {loaded.cost.seconds:.0f} s")
        limit = sizes.memory.get(size)
        in_little = None
        if limit:
            taken(1)
            in_little = (limit, nightly(home, {"DAYBOOK_MEMORY": limit}))
        by_hand = sizes.counted(partial(_baseline_of_a_date, pool, waiting[0], home, folder, tell))
        dates: list[date] = []

        def night() -> Night:
            dates.extend(taken(1))
            night = nightly(home)
            tell(f"a night on {size:,}: {night.cost.seconds:.1f} s")
            return night

        counted = sizes.counted(night)
        first, *_ = news = dates[sizes.warm_ups :]
        history = sum(rows for day, rows in events_of.items() if day < first)
        return AtHistory(size, history, [events_of[day] for day in news], counted, by_hand, in_little)

    for size in sizes.histories:
        yield once(f"history_{size}", partial(at, size))


def beside(work: Path, sizes: Sizes, tell: Tell, once: Once) -> Iterator[Beside]:
    """The same extracts, in what people would use instead."""
    folder = work / "beside"
    dates = 3
    extracts = events.write(folder / "landing", sizes.beside // dates, dates, "ndjson", 1, tell)
    output = folder / "output"

    def run(command: Sequence[str]) -> Cost:
        home = new_home(output)
        shutil.rmtree(home.landing)
        home.landing.symlink_to(folder / "landing", target_is_directory=True)
        known = {"python": sys.executable, "landing": home.landing, "output": output}
        whole = [part.format_map(known) for part in command]
        return measure(whole, folder / "log", {"DAYBOOK_HOME": str(home.root)})

    def measured(name: str, command: Sequence[str]) -> Beside:
        costs = sizes.counted(partial(run, command))
        tell(f"{name}: {costs[-1].seconds:.1f} s")
        return Beside(name, costs, events=extracts.events)

    for name, command in COMMANDS.items():
        try:
            yield once(name, partial(measured, name, command))
        except CommandFailed as error:  # which is not kept: what it lacks may be there the next time
            tell(f"{name}: not measured: {str(error).splitlines()[-1]}")
            yield Beside(name, why_not=str(error).splitlines()[-1], events=extracts.events)
    shutil.rmtree(folder)


def _baseline_of_a_date(pool: Path, day: date, home: Home, folder: Path, tell: Tell) -> Cost:
    """The script over one date, with the snapshots of the first one, as a night has them."""
    alone = folder / "alone" / "study"
    shutil.rmtree(alone.parent, ignore_errors=True)
    (alone / str(day)).mkdir(parents=True)
    snapshots = (path for path in (home.landing / "study" / str(events.START)).iterdir() if path.stem in SNAPSHOTS)
    for path in (*(pool / "study" / str(day)).iterdir(), *snapshots):
        (alone / str(day) / path.name).symlink_to(path)
    return _baseline(alone.parent, folder, tell)


def _baseline(landing: Path, folder: Path, tell: Tell) -> Cost:
    database = folder / "baseline.duckdb"
    database.unlink(missing_ok=True)
    cost = measure([sys.executable, "-m", "benchmarks.baseline", landing, database], folder / "baseline.log")
    database.unlink(missing_ok=True)
    tell(f"by hand: {cost.seconds:.1f} s")
    return cost
