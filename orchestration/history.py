"""How Dagster's history of runs is written: by whom it is opened and closed, not what it says."""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.interfaces import Dialect

_MOST_IDLE = 16  # connections; beyond, the one that was used longest ago is closed


class _Kept(sqlite3.Connection):
    """A connection that stays open when it is closed, for the next one who wants the same file."""

    place: tuple[object, ...]

    def close(self) -> None:
        self.rollback()
        _idle[self.place].append(self)
        if sum(map(len, _idle.values())) > _MOST_IDLE:
            place = next(iter(_idle))
            _idle[place].pop().really_close()
            if not _idle[place]:
                del _idle[place]

    def really_close(self) -> None:
        super().close()


_idle: defaultdict[tuple[object, ...], list[_Kept]] = defaultdict(list)  # by file and settings, oldest first


def keep_history_open() -> None:
    """Let this process write the history of runs without a wait for the disk after each event, while it lives.

    Dagster opens and closes a SQLite file for each event, a thousand times a night; the last one to close it writes its
    log back and waits for the disk. A connection that stays open leaves that to the process's end. A power cut may cost
    the last events of the history, which is no part of the books; a killed process costs none.
    """
    if not event.contains(Engine, "do_connect", _take_an_open_one):
        event.listen(Engine, "do_connect", _take_an_open_one)


def _take_an_open_one(
    dialect: Dialect, record: object, arguments: list[Any], settings: dict[str, Any]
) -> sqlite3.Connection | None:
    if dialect.name != "sqlite" or not _is_of_the_history(str(arguments[0])):
        return None  # as it is otherwise
    place = (*arguments, *sorted(settings.items()))
    waiting = _idle.pop(place, [])
    connection = waiting.pop() if waiting else _connect(arguments, settings)
    if waiting:
        _idle[place] = waiting
    connection.place = place
    return connection


def _is_of_the_history(file: str) -> bool:
    """Other files, such as a database that extracts are read from, are for those who open them to close."""
    folder = os.environ.get("DAGSTER_HOME")
    return folder is not None and Path(file).is_relative_to(Path(folder).absolute())


def _connect(arguments: list[Any], settings: dict[str, Any]) -> _Kept:
    opened = sqlite3.connect(*arguments, **{**settings, "check_same_thread": False}, factory=_Kept)
    opened.execute("pragma synchronous = normal")
    return opened
