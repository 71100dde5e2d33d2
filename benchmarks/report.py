"""The page of results, and its plot: what was measured, beside what was aimed at.

What belongs here: ratios and words. What does not: measuring.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.clock import Cost, median
from benchmarks.homes import Night
from benchmarks.measurements import AtHistory, Beside, FirstLoad
from benchmarks.questions import Answer

GIB = 2**30
# The share of the cores that may go to others, the measuring itself among them.
_MOST_OTHERS = 0.1


@dataclass
class Found:
    """What has been measured so far."""

    begun: dt.datetime
    command: str
    revision: str = ""
    versions: Sequence[str] = ()
    has_goals: bool = True  # whether its sizes are those of the goals
    first: FirstLoad | None = None
    nights: list[AtHistory] = field(default_factory=list)
    answers: Sequence[Answer] = ()
    besides: list[Beside] = field(default_factory=list)


def page(found: Found, wanted: Mapping[str, int], now: dt.datetime, plot: str) -> str:
    """The whole page as Markdown.

    Args:
        found: what was measured.
        wanted: how many points the nights, and how many rows what stands beside them, will have.
        now: when.
        plot: the name of the picture beside the page.
    """
    first, nights = found.first, found.nights
    sections = [_head(found, now)]
    missing = []
    goal = Goal(found.has_goals)
    if first:
        sections.append(_first_load(first, goal))
    else:
        missing.append("the first load")
    if nights:
        sections.append(_nights(first, nights, plot, goal))
    if first:
        sections.append(_fixed_cost(first, goal))
    if len(nights) < wanted["nights"]:
        missing.append("nights on the largest history")
    if found.answers:
        sections.append(_questions(found.answers, goal))
    else:
        missing.append("the questions")
    if found.besides:
        sections.append(_beside(found.besides, goal))
    if sum(1 for beside in found.besides if beside.costs) < wanted["besides"]:
        missing.append("all that people would use instead")
    if nights:
        sections.append(_memory(first, nights, goal))
    if missing:
        sections.insert(1, iter([f"**Not whole**: not measured yet, or not to be had here: {', '.join(missing)}."]))
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


def draw(nights: Sequence[AtHistory], path: Path) -> None:
    """Draw what a night costs against the history, as an SVG that is the same for the same figures."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "daybook"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), layout="constrained")
    millions = [point.history / 1e6 for point in nights]
    axes.plot(millions, [_of_nights(point.nights).seconds for point in nights], "o-", label="a night of Daybook")
    axes.plot(millions, [median(point.baseline).seconds for point in nights], "s--", label="its news alone, by hand")
    axes.set(xscale="log", ylim=(0, None), xlabel="million events of history", ylabel="seconds (median)")
    axes.set_title(f"A night with {nights[0].news[0]:,} new events")
    axes.set_xticks(millions, [f"{million:.3g}" for million in millions], minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="center right")
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _head(found: Found, now: dt.datetime) -> Iterator[str]:
    since = "" if found.begun.date() == now.date() else f", begun on {found.begun:%Y-%m-%d}"
    yield "# Results"
    yield ""
    yield f"Written by `{found.command}` on {now:%Y-%m-%d}{since}; every number was measured by it. Seconds are the"
    yield "clock's, from the start of a process to its end, the median of the runs that count, behind one to warm up,"
    yield "where nothing else is said; memory is the resident memory of its processes together, the most of all runs."
    yield ""
    yield f"- Runs that count: {max(map(len, _repeated(found)), default=0)}"
    yield f"- Machine: {os.cpu_count()} cores ({_processor()}), {psutil.virtual_memory().total / GIB:.0f} GiB of memory"
    yield f"- {', '.join([*([f'Daybook `{found.revision}`'] if found.revision else []), *found.versions])}"
    others = max((cost.others for cost in _costs(found)), default=0.0)
    disturbed = (
        "" if others <= _MOST_OTHERS else f": more than {_MOST_OTHERS:.0%}, so **what was measured was disturbed**"
    )
    yield f"- Other processes took at most {others:.0%} of the cores during a run{disturbed}"


def _repeated(found: Found) -> Iterator[Sequence[Night | Cost]]:
    """What was measured several times."""
    yield from (at.nights for at in found.nights)
    if found.first:
        yield found.first.nights
    yield from (beside.costs for beside in found.besides)


def _costs(found: Found) -> Iterator[Cost]:
    points: list[FirstLoad | AtHistory] = [*found.nights, *([found.first] if found.first else [])]
    for point in points:
        yield from (night.cost for night in point.nights)
        yield from point.baseline
        if point.in_little_memory:
            yield point.in_little_memory[1].cost
    if found.first:
        yield from (night.cost for night in found.first.without_news)
        yield from found.first.imports
    for beside in found.besides:
        yield from beside.costs


def _first_load(first: FirstLoad, goal: Goal) -> Iterator[str]:
    ours, by_hand = _of_nights(first.nights), median(first.baseline)
    yield "## A first load"
    yield ""
    extracts = first.extracts
    yield f"{extracts.events:,} study events in {len(extracts.events_of)} extract dates ({extracts.bytes / 1e9:.1f} GB"
    yield "of NDJSON), from landing to published marts, beside [one script by hand](baseline.sql) that makes the study"
    yield "app's marts and the funnels, without checks, ledger, contracts or increments."
    yield ""
    yield from _table(
        ("", "seconds", "seconds of all cores", "peak memory", "beside by hand"),
        [("Daybook", *_figures(ours), _times(ours, by_hand)), ("by hand", *_figures(by_hand), "")],
    )
    yield ""
    yield goal.told(ours.seconds / by_hand.seconds, 1.5, "times the script's time")
    yield ""
    yield from _phases({"seconds": first.nights})


def _nights(first: FirstLoad | None, nights: Sequence[AtHistory], plot: str, goal: Goal) -> Iterator[str]:
    yield "## A night"
    yield ""
    yield "The new events of one extract date, on histories that were loaded from Parquet; beside them the script by"
    yield "hand over one such date alone. Every learner is there on every date. History and news are counted as"
    yield "delivered; the history is that before the first night."
    yield ""
    yield from _table(
        ("history", "news of the nights", "seconds", "seconds of all cores", "peak memory", "by hand, such news alone"),
        [
            (
                f"{at.history:,}",
                ", ".join(f"{news:,}" for news in at.news),
                *_figures(_of_nights(at.nights)),
                f"{median(at.baseline).seconds:.1f}",
            )
            for at in nights
        ],
    )
    yield ""
    yield f"![what a night costs against the history]({plot})"
    yield ""
    smallest, largest = _of_nights(nights[0].nights).seconds, _of_nights(nights[-1].nights).seconds
    if len(nights) > 1:
        factor = nights[-1].history / nights[0].history
        yield goal.told(largest / smallest, 1.15, f"times the time of a night on a history of one part in {factor:.1f}")
        yield ""
    if first:
        fixed = _of_nights(first.without_news).seconds
        for at in nights:
            seconds, by_hand = _of_nights(at.nights).seconds, median(at.baseline).seconds
            of = f"times what is allowed on {at.history:,}: {seconds:.1f} s, and 1.5 × {by_hand:.1f} + {fixed:.1f} s"
            yield goal.told(seconds / (1.5 * by_hand + fixed), 1.0, of)
            yield ""
    yield from _phases({f"on {at.history:,}": at.nights for at in nights})


def _fixed_cost(first: FirstLoad, goal: Goal) -> Iterator[str]:
    cost, imports = _of_nights(first.without_news), median(first.imports)
    yield "## The fixed cost"
    yield ""
    yield "In the home of the first load, a night without news, which builds nothing:"
    yield f"{cost.seconds:.1f} s, {cost.cpu_seconds:.1f} s of all cores,"
    yield f"{_gib(cost.peak_bytes)} at its peak. Python and its imports take {imports.seconds:.1f} s of it, a look at"
    yield "landing, lake and what was built the rest: nothing is parsed, built, checked or published."
    yield ""
    yield goal.told(cost.seconds, 12, "seconds")


def _beside(besides: Sequence[Beside], goal: Goal) -> Iterator[str]:
    measured = {beside.name: median(beside.costs).seconds for beside in besides if beside.costs}
    yield "## Beside what people would use instead"
    yield ""
    yield f"The same {besides[0].events:,} study events (NDJSON), and of the marts `study_sessions`, `daily_user_stats`"
    yield "and `topic_mastery`, by [pandas](alternatives/pandas_marts.py) and [Spark](alternatives/spark_marts.py). Of"
    yield "[dlt](alternatives/dlt_load.py) the load into DuckDB alone: Daybook's models read what its own load adds to"
    yield "each row (a verdict, an identity, a hash of its content), so that they cannot run behind another one. As it"
    yield "comes dlt makes columns and tables of what is in `properties`; else that is one column of JSON, as it is"
    yield "in Daybook. Daybook's marts are built without their tests, and not published; Spark has 4 GB of memory."
    yield ""
    yield from _table(
        ("", "seconds", "seconds of all cores", "peak memory"),
        [
            (beside.name, *(_figures(median(beside.costs)) if beside.costs else ("", "", beside.why_not)))
            for beside in besides
        ],
    )
    for ours, other, aim, told in (
        ("load, three marts", "pandas: three marts", 10, "pandas"),
        ("load, three marts", "pandas: three marts, JSON by pyarrow", 10, "pandas, its JSON read by pyarrow"),
        ("load", "dlt: load, as it comes", 20, "dlt's load as it comes"),
        ("load", "dlt: load, in its fastest configuration", 20, "dlt's fastest load"),
    ):
        own, others = measured.get(f"Daybook: {ours}"), measured.get(other)
        if own and others:
            yield ""
            yield goal.told(others / own, aim, f"times as fast as {told}", at_least=True)


def _questions(answers: Sequence[Answer], goal: Goal) -> Iterator[str]:
    yield "## Questions"
    yield ""
    yield f"What analysts ask, of the published marts of {answers[0].events:,} events, and of the raw events"
    yield "themselves, typed, each once, in DuckDB too: milliseconds on an open connection, the first time left out, at"
    yield "the 95th percentile of 20 runs on the marts, and the median of 3 on the raw events."
    yield ""
    yield from _table(
        ("question", "marts", "raw events"),
        [(answer.question, f"{answer.on_marts * 1000:,.0f}", f"{answer.on_events * 1000:,.0f}") for answer in answers],
    )
    yield ""
    yield goal.told(max(answer.on_marts for answer in answers), 1, "seconds for the slowest of them")


def _memory(first: FirstLoad | None, nights: Sequence[AtHistory], goal: Goal) -> Iterator[str]:
    yield "## Memory"
    yield ""
    yield "With `DAYBOOK_MEMORY`, DuckDB's limit, set so low that it spills to the disk, or nearly. One run of each,"
    yield "the first: of a night, on a history that is shorter than the one above by that night and the one to warm up."
    yield ""
    tried = [(f"first load of {first.extracts.events:,}", first.in_little_memory, 4)] if first else []
    tried += [
        (f"a night before {at.history:,}", at.in_little_memory, 4 if at.size <= 10_000_000 else 8) for at in nights
    ]
    rows = []
    for name, within, most in tried:
        if within:
            limit, night = within
            cost = night.cost
            told = "reached" if cost.peak_bytes <= most * GIB else "not reached"
            if not cost.spilled_bytes:
                told += ", and nothing had to be spilled"
            figures = (f"{cost.seconds:.1f}", _gib(cost.peak_bytes), _gib(cost.spilled_bytes))
            rows.append((name, limit, *figures, f"at most {most} GiB{f': {told}' if goal.is_set else ''}"))
    yield from _table(("", "DuckDB's limit", "seconds", "peak memory", "spilled", "goal"), rows)


def _phases(nights: Mapping[str, Sequence[Night]]) -> Iterator[str]:
    """Where the time of the median nights went, a column for each of their names."""
    medians = [sorted(some, key=lambda night: night.cost.seconds)[len(some) // 2] for some in nights.values()]
    yield "Where the time of one of them went. Models and tests run side by side: from the first of them to the last,"
    yield "the time is shared out by what each took."
    yield ""
    yield from _table(
        ("phase", *nights),
        [
            (phase, *(f"{night.phases.get(phase, 0.0):.1f}" for night in medians))
            for phase in dict.fromkeys(phase for night in medians for phase in night.phases)
        ],
    )


def _of_nights(nights: Sequence[Night]) -> Cost:
    return median([night.cost for night in nights])


def _figures(cost: Cost) -> tuple[str, str, str]:
    return f"{cost.seconds:.1f}", f"{cost.cpu_seconds:.1f}", _gib(cost.peak_bytes)


def _times(cost: Cost, other: Cost) -> str:
    return f"{cost.seconds / other.seconds:.2f} times"


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


@dataclass(frozen=True)
class Goal:
    """How a figure is told beside what was aimed at."""

    is_set: bool  # false for sizes of which nothing was said

    def told(self, value: float, aim: float, of: str, at_least: bool = False) -> str:
        """A figure, its aim, and whether it is reached."""
        if not self.is_set:
            return f"**{value:.2f} {of}**; the goal is one of other sizes."
        is_reached = value >= aim if at_least else value <= aim
        reached = "reached" if is_reached else "not reached"
        # So many digits that it is not told as what it has missed.
        digits = next((n for n in (2, 3, 4) if is_reached or float(f"{value:.{n}f}") != aim), 5)
        return f"**{value:.{digits}f} {of}**; the goal is {'at least' if at_least else 'at most'} {aim:g}: {reached}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _processor() -> str:
    """The model of the processor, where the system tells it."""
    known: Mapping[str, str] = {}
    path = Path("/proc/cpuinfo")
    if path.exists():
        known = dict(line.split("\t: ", 1) for line in path.read_text().splitlines() if "\t: " in line)
    return known.get("model name") or platform.machine()
