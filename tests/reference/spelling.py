"""Instants as the files of a history have them.

What belongs here: what `histories.py` and `worlds.py` share.
"""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MICROSECOND = timedelta(microseconds=1)


def spelled(instant: datetime, rng: random.Random | None = None) -> str:
    """An instant as text, in one of the spellings that mean the same."""
    style = rng.randrange(6) if rng else 0
    if style == 1:
        return (instant + timedelta(hours=2)).isoformat() + "+02:00"
    if style == 2:
        return (instant - timedelta(hours=5, minutes=30)).isoformat(sep=" ") + "-05:30"
    if style == 3:
        return instant.isoformat(timespec="microseconds") + "999Z"  # cut, not rounded
    if style == 4:
        return instant.isoformat().replace("T", "t")
    return instant.isoformat() + "Z"


def midnight(day: date) -> datetime:
    return datetime.combine(day, time())
