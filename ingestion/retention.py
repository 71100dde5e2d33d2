"""Retention: the quarantine keeps text as it came for a while, and the account of it for good.

What belongs here: how long, and deleting. What does not: who is erased before that (`erasure`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ingestion.home import Home
from ingestion.lake import Lake, load_of
from ingestion.ledger import loaded_at
from ingestion.storage import told

QUARANTINE_DAYS = 90

# What the name of a file says whose rows have no text any more.
_WITHOUT_TEXT = ".without_text"


def delete_quarantined_text(home: Home, now: datetime) -> int:
    """Delete `raw` and `detail` of rows that were loaded more than QUARANTINE_DAYS before `now`, from the disk too.

    The rows stay, with system, stream, date, file, line and reason, so that the books balance for ever. Whoever calls
    holds the writer lock. Gives the number of loads whose rows lost their text. Raises StorageError.
    """
    quarantine = Lake(home).quarantine
    before = now.astimezone(UTC) - timedelta(days=QUARANTINE_DAYS)
    with_text = [path for path in quarantine.files() if _is_old(path, before)]
    with duckdb.connect() as con:
        for path in with_text:
            partition = dict(part.split("=", 1) for part in Path(path).parent.parts)
            rows = quarantine.rows_of([path])
            [(count,)] = con.execute(f"select count(*) from ({rows})").fetchall()
            query = f"select * replace (null as raw, null as detail) from ({rows})"
            bare = quarantine.write(con, partition, f"{load_of(path)}{_WITHOUT_TEXT}", query, count)
            quarantine.commit(partition, [bare], keep=path.__ne__)
    # What is old and has text is inactive now, whether by these commits, by those of a run that was killed before it
    # came to this, or because its date was loaded again since.
    for file in quarantine.stored():
        if _is_old(file.name, before):
            with told(file):
                file.unlink()
    return len(with_text)


def _is_old(path: str, before: datetime) -> bool:
    return _WITHOUT_TEXT not in path and loaded_at(load_of(path)) < before
