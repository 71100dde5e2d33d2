"""Dates of databases whose rows are counted again, for some may have come since they were read.

A date is counted again until that was done once when it was as old as `recheck_days` says: the nights that find it
younger may be few. What belongs here: which dates are in doubt, and to remember of which there is none. What does not:
how rows are counted (`database.py`), and reading a date again (`load.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from ingestion import ledger
from ingestion.database import DatabaseError, window
from ingestion.extracts import Discovery, Extract, discover, newest_ended
from ingestion.home import Home
from ingestion.lake import find_stream
from ingestion.ledger import Load
from ingestion.notes import keep_note, read_note
from ingestion.sources import DatabaseSource

# By system and stream: the date up to which none is in doubt.
_Sure = Mapping[tuple[str, str], date]


def unsure(home: Home, found: Discovery | None = None) -> list[Extract]:
    """The dates, loaded from databases, that may have changed: those that `changed_in_databases` asks about."""
    loads, sure, now = ledger.active_loads(home), _read(home.recounts), datetime.now(UTC)
    extracts = (found or discover(home)).extracts
    return [extract for extract in extracts if _is_unsure(extract, loads.get(extract.key), sure, now)]


def changed_in_databases(
    home: Home, everything: Iterable[Extract], asked: Set[Extract], loads: Mapping[ledger.Key, Load]
) -> set[Extract]:
    """The dates whose rows a database counts otherwise than when they were read; and one of each that gives no answer.

    Args:
        home: where it is remembered which dates are in doubt no more.
        everything: that was discovered, of each stream all of it, by date.
        asked: which of them are counted, if they are in doubt.
        loads: what the lake has.
    """
    sure, now = _read(home.recounts), datetime.now(UTC)
    changed: set[Extract] = set()
    silent: set[DatabaseSource] = set()
    in_doubt: set[tuple[str, str]] = set()  # streams with an earlier date that stays in doubt
    sure_now = dict(sure)
    for extract in everything:
        load, source, stream = loads.get(extract.key), extract.database, extract.key[:2]
        if source is None or source.received_at is None:
            continue
        sure_now.setdefault(stream, _sure_at_first(source, now))
        if load is None or not _is_unsure(extract, load, sure, now):
            continue
        if extract in asked and source not in silent:
            try:
                with window(source, find_stream(extract.system, extract.stream), extract.extract_date) as rows:
                    if rows.count() != load.rows_at_source:
                        changed.add(extract)
            except DatabaseError:  # loading it will say what is wrong, and one date is enough to say it
                silent.add(source)
                changed.add(extract)
        agrees = extract in asked and source not in silent and extract not in changed
        if not agrees or not _is_old(extract, source, now):
            in_doubt.add(stream)
        elif stream not in in_doubt:
            sure_now[stream] = extract.extract_date
    if sure_now != sure:
        keep_note(home.recounts, {"/".join(stream): str(day) for stream, day in sorted(sure_now.items())})
    return changed


def _is_unsure(extract: Extract, load: Load | None, sure: _Sure, now: datetime) -> bool:
    source = extract.database
    if source is None or source.received_at is None or load is None or load.rows_at_source is None:
        return False
    if _is_old(extract, source, load.loaded_at):
        return False
    return extract.extract_date > sure.get(extract.key[:2], _sure_at_first(source, now))


def _is_old(extract: Extract, source: DatabaseSource, at: datetime) -> bool:
    """Whether nothing more was expected of a date at that time."""
    return (newest_ended(source, at) - extract.extract_date).days >= source.recheck_days


def _sure_at_first(source: DatabaseSource, now: datetime) -> date:
    """Where nothing is remembered: as if there had been a night on every day until now."""
    return date.fromordinal(max(1, newest_ended(source, now).toordinal() - source.recheck_days))


def _read(path: Path) -> dict[tuple[str, str], date]:
    with suppress(ValueError, TypeError, AttributeError):
        kept = read_note(path).items()
        return {(name.partition("/")[0], name.partition("/")[2]): date.fromisoformat(day) for name, day in kept}
    return {}
