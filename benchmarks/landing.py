"""What a script that knows nothing of Daybook reads of a landing folder: the files of a study stream, and as-of."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path


def files(landing: Path, stream: str) -> list[Path]:
    """The files of a study stream, in the order of extract dates and names, which decides which copy stays."""
    found = (path for path in (landing / "study").glob("*/*") if re.match(rf"{stream}[-.]", path.name))
    return sorted(found, key=lambda path: (path.parent.name, path.name))


def as_of(landing: Path) -> datetime:
    """The end of the newest extract date with events (UTC, without a zone)."""
    newest = date.fromisoformat(files(landing, "events")[-1].parent.name)
    return datetime.combine(newest + timedelta(days=1), time())
