"""What has to run: pure functions from what lies in landing, lake and published marts to runs.

What belongs here: decisions, which take all they know as arguments (the clock too), and the functions that look.
What does not: asking Dagster for the runs (`schedules`, `sensors`, `nightly`).

All times are UTC without a zone.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ingestion.contract import Stream
from ingestion.extracts import Extract, discover
from ingestion.home import Home
from ingestion.ledger import active_loads
from ingestion.load import pending
from ingestion.recounts import unsure
from orchestration.databases import built_by, lake_figures, publication, published_books, published_figures
from orchestration.partitions import DateRange

# A warehouse is live when its newest extract was loaded at most this long after its day had ended. Then the next one is
# missed when it does not come; a warehouse of past dates misses nothing.
_LIVE_WITHIN = timedelta(days=3)

# The schedule's hour: before it, nobody waits for yesterday's extract.
NIGHTLY_HOUR = 2

# How long an extract's files must lie unchanged before they count as whole: with a manifest that names them all, and
# without.
_SETTLED_WITH_MANIFEST = timedelta(seconds=20)
_SETTLED = timedelta(minutes=2)

# After this time without the writer lock, a run that says it is under way is taken for dead: its process was killed.
_DEAD_AFTER = timedelta(minutes=5)

Place = tuple[str, str, date]  # (system, stream, extract date)
Loads = Mapping[Place, datetime]  # when it was loaded
# Whatever the marts are made of: its loads, and what was measured of models of topic mastery.
Contents = Mapping[Any, object]


@dataclass(frozen=True)
class Outlook:
    """What lies in landing, in databases and in the lake."""

    landing: Sequence[Extract]  # and the dates of databases
    pending: Sequence[Extract]  # new or changed; a part of landing
    loads: Loads
    warnings: Sequence[str] = ()  # what lies in landing and is no extract
    unsure: Sequence[Extract] = ()  # loaded from databases that may have changed them, and were not asked


def look(home: Home, ask_databases: bool = True) -> Outlook:
    """Look at landing and lake; and ask databases whether their newest dates have changed.

    That may take long, so ticks do not ask: a tick has a minute.
    """
    found = discover(home)
    in_doubt = [] if ask_databases else unsure(home, found)
    news = pending(home, ask_databases=ask_databases, found=found)
    return Outlook(found.extracts, news, lake_loads(home), found.warnings, in_doubt)


def lake_loads(home: Home) -> Loads:
    """The loads that the lake holds."""
    return {place: load.loaded_at.replace(tzinfo=None) for place, load in active_loads(home).items()}


def loads_of(rows: Iterable[Mapping[str, object]]) -> Loads:
    """The loads that rows of a ledger tell of."""
    return {(row["system"], row["stream"], row["extract_date"]): row["loaded_at"] for row in rows}  # type: ignore[misc]


def figures_of(rows: Iterable[Mapping[str, object]]) -> Contents:
    """The figures of models that rows tell of, and which model scores."""
    return {
        ("figures", row["model_version"], row["split"], row["method"]): (
            row["evaluated_on"],
            row["attempts"],
            row["auc"],
            row["log_loss"],
            row["ece"],
            row["is_champion"],
        )
        for row in rows
    }


def lake_contents(home: Home) -> Contents:
    """What the marts are to be made of."""
    return {**lake_loads(home), **figures_of(lake_figures(home))}


def published_contents(home: Home) -> Contents:
    """What the published marts are made of; nothing where nothing is published."""
    return {**loads_of(published_books(home)), **figures_of(published_figures(home))}


def is_up_to_date(home: Home, code: str) -> bool:
    """Whether the published marts are what this code would build of the lake, and those at work are whole."""
    signed = publication(home)
    if signed is None or signed["code"] != code or built_by(home) != code:
        return False
    return dict(lake_contents(home)) == dict(published_contents(home))


# Runs


@dataclass(frozen=True)
class LoadRun:
    """A run of the job `load`: some streams, each with every date of the range."""

    dates: DateRange
    streams: Sequence[Stream]


def load_runs(places: Iterable[Place], streams: Sequence[Stream]) -> list[LoadRun]:
    """The fewest runs that take these places and no other, oldest first.

    No other, because Dagster plans every stream of a run for every date of its range, and counts what a failed run
    planned and did not load as failed, until it is loaded: for a date without an extract, for ever.
    """
    days: dict[tuple[str, str], set[date]] = defaultdict(set)
    for system, name, day in places:
        days[system, name].add(day)
    runs: dict[DateRange, list[Stream]] = defaultdict(list)
    for stream in streams:
        for dates in ranges(days[stream.system, stream.name]):
            runs[dates].append(stream)
    return [LoadRun(dates, runs[dates]) for dates in sorted(runs)]


def ranges(dates: Iterable[date]) -> list[DateRange]:
    """The fewest ranges that hold these dates and no other, oldest first."""
    found: list[DateRange] = []
    for day in sorted(set(dates)):
        if found and day - found[-1].last == timedelta(days=1):
            found[-1] = DateRange(found[-1].first, day)
        else:
            found.append(DateRange(day, day))
    return found


def places_of(extracts: Iterable[Extract]) -> set[Place]:
    """The places of some extracts."""
    return {(extract.system, extract.stream, extract.extract_date) for extract in extracts}


def missed(outlook: Outlook, streams: Sequence[Stream], dates: Iterable[date], due: date | None) -> set[Place]:
    """What was to be expected and did not come: runs take it too, so that its absence is noticed.

    Expected, of a stream that was ever delivered, are the dates with an extract of another stream of its system, and
    the date that is due. Nobody waits for a snapshot: it holds until the next one.
    """
    came = places_of(outlook.landing) | outlook.loads.keys()
    delivered = {(system, stream) for system, stream, _ in came}
    systems = {(extract.system, extract.extract_date) for extract in outlook.landing}
    return {
        (stream.system, stream.name, day)
        for stream in streams
        if (stream.system, stream.name) in delivered and not stream.snapshot
        for day in {*dates, *([due] if due else [])}
        if (day == due or (stream.system, day) in systems) and (stream.system, stream.name, day) not in came
    }


def due_date(loads: Loads, now: datetime) -> date | None:
    """The newest date whose extract must have come by now; None where nothing is expected."""
    if not loads:
        return None
    newest = max(day for _, _, day in loads)
    if newest > now.date():  # a mistake, from which nothing follows
        return due_date({place: at for place, at in loads.items() if place[2] <= now.date()}, now)
    loaded_at = min(at for (_, _, day), at in loads.items() if day == newest)
    day_ended = datetime.combine(newest + timedelta(days=1), datetime.min.time())
    if loaded_at - day_ended > _LIVE_WITHIN:
        return None
    return (now - timedelta(hours=NIGHTLY_HOUR)).date() - timedelta(days=1)


def within(extracts: Iterable[Extract], dates: DateRange) -> list[Extract]:
    """The extracts that a run can take. One of another date waits until its day begins or the definitions load anew."""
    return [extract for extract in extracts if extract.extract_date in dates]


# The night


def runs_of_the_night(
    outlook: Outlook, wanted: Sequence[Extract], streams: Sequence[Stream], due: date | None = None
) -> list[LoadRun]:
    """The runs that load the wanted extracts, and behind them those that notice what was missed."""
    absent = missed(outlook, streams, {e.extract_date for e in wanted}, due)
    return [*load_runs(places_of(wanted), streams), *load_runs(absent, streams)]


def runs_in_doubt(outlook: Outlook, dates: DateRange, streams: Sequence[Stream]) -> list[LoadRun]:
    """The runs that ask databases whether they changed dates that are loaded, and load those again."""
    return load_runs(places_of(within(outlook.unsure, dates)), streams)


# Arrivals


@dataclass(frozen=True)
class Sighting:
    """An extract as it was seen in landing."""

    files: str  # a hash of names, sizes and times
    since: str  # seen so for the first time at
    asked: bool = False  # a run was asked for; if it failed, the schedule tries again


@dataclass(frozen=True)
class Arrivals:
    """What of the new extracts is whole."""

    extracts: list[Extract]
    sightings: dict[str, Sighting]
    waiting: int  # dates


def arrivals(
    extracts: Sequence[Extract], with_manifest: frozenset[Extract], before: Mapping[str, Sighting], now: datetime
) -> Arrivals:
    """Which extracts can be loaded now: each once, when all that is new or changed of its date is whole.

    `with_manifest` are the extracts whose manifest names every file that lies there, and those of databases. A file
    that a manifest names and that is not there yet is waited for. Everything new or changed is looked at every time, so
    that nothing is passed over between looks.
    """
    seen: dict[str, Sighting] = {}
    fresh: list[Extract] = []
    ready: set[date] = set()
    waiting: set[date] = set()
    for extract in extracts:
        name = f"{extract.system}/{extract.stream}/{extract.extract_date}"
        files = _fingerprint(extract)
        known = before.get(name)
        sighting = known if known and known.files == files else Sighting(files, now.isoformat())
        seen[name] = sighting
        if sighting.asked:
            continue
        fresh.append(extract)
        settled = _SETTLED_WITH_MANIFEST if extract in with_manifest else _SETTLED
        is_whole = now - datetime.fromisoformat(sighting.since) >= settled and not any(
            file.missing for file in extract.files
        )
        (ready if is_whole else waiting).add(extract.extract_date)
    ready -= waiting
    asked = {
        name: Sighting(s.files, s.since, s.asked or date.fromisoformat(name.rsplit("/", 1)[-1]) in ready)
        for name, s in seen.items()
    }
    arrived = [extract for extract in fresh if extract.extract_date in ready]
    return Arrivals(arrived, asked, len(waiting))


def _fingerprint(extract: Extract) -> str:
    files = [(file.name, file.size, file.modified_ns, file.missing, file.etag) for file in extract.files]
    return hashlib.sha256(json.dumps(sorted(files)).encode()).hexdigest()[:16]


def read_sightings(cursor: str | None) -> dict[str, Sighting]:
    """The sightings that a cursor holds."""
    return {name: Sighting(**seen) for name, seen in json.loads(cursor or "{}").items()}


def write_sightings(sightings: Mapping[str, Sighting]) -> str:
    """The sightings as a cursor."""
    return json.dumps({name: asdict(seen) for name, seen in sightings.items()})


# The transformation


@dataclass(frozen=True)
class Attempt:
    """A run that a decision about the transformation has to know of."""

    is_transformation: bool  # of the lake as it is now; else a load or a fit
    created: datetime
    is_finished: bool


@dataclass(frozen=True)
class Decision:
    """Whether to transform now, and why not."""

    reason: str | None = None
    attempt: int = 0


def lake_version(lake: Contents) -> str:
    """A name for what the lake holds."""
    return hashlib.sha256(
        json.dumps(sorted([*map(str, key), str(value)] for key, value in lake.items())).encode()
    ).hexdigest()[:16]


def decide_transformation(
    lake: Contents, published: Contents, attempts: Sequence[Attempt], is_writing: bool, now: datetime
) -> Decision:
    """Whether the marts have to be built: the lake holds other things than the published marts, and nobody is at it.

    That heals by itself whatever died on the way. A transformation that failed by its own account is tried again the
    next day: what it found is not better a minute later.
    """
    if dict(lake) == dict(published):
        return Decision("the published marts carry all that the lake holds")
    if is_writing:
        return Decision("a run is writing")
    if any(not attempt.is_finished and now - attempt.created < _DEAD_AFTER for attempt in attempts):
        return Decision("a run is about to start")
    tried = [attempt for attempt in attempts if attempt.is_transformation]
    if any(attempt.is_finished and attempt.created.date() == now.date() for attempt in tried):
        return Decision(
            "the transformation of what the lake holds did not publish today; it is tried again tomorrow, or by hand"
        )
    return Decision(attempt=len(tried) + 1)
