"""How Dagster's history of runs is written: by whom it is opened and closed, not what it says."""

from __future__ import annotations

import sqlite3

from sqlalchemy import event
from sqlalchemy.engine import Engine

_open: dict[str, sqlite3.Connection] = {}  # by file


def keep_history_open() -> None:
    """Let this process write the history of runs without a wait for the disk after each event, while it lives.

    Dagster opens and closes a SQLite file for each event, a thousand times a night; the last one to close it writes its
    log back and waits for the disk. A connection that stays open leaves that to the process's end. A power cut may cost
    the last events of the history, which is no part of the books; a killed process costs none.
    """
    if not event.contains(Engine, "connect", _keep_open):
        event.listen(Engine, "connect", _keep_open)


def _keep_open(connection: object, record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.execute("pragma synchronous = normal")
    file = connection.execute("pragma database_list").fetchone()[2]
    if file and file not in _open:
        _open[file] = sqlite3.connect(file, check_same_thread=False)
        _open[file].execute("select count(*) from sqlite_master").fetchone()
