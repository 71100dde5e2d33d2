"""The scripts of recommendation, collaboration and textbook in a random history.

What belongs here: for each of these systems, what happens in a run of events, how a row is altered, and how it is
spoiled so that the load refuses it for a known reason. What does not: files and nights (`histories.py`).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from tests.reference.reading import timestamp
from tests.reference.spelling import DAY, MICROSECOND, MINUTE, midnight, spelled

SYSTEMS = ("recommendation", "collaboration", "textbook")
Document = dict[str, Any]
Happening = tuple[datetime, Document]

GAPS = (timedelta(0), timedelta(0), MICROSECOND, timedelta(seconds=20), 5 * MINUTE, 5 * MINUTE, 3 * 60 * MINUTE)

# Two pairs of these have one text when they are joined by a bar alone.
CHILDREN = ("kid", "kid|1", "kid\\")
RECOMMENDATIONS = ("rec", "1|rec")
INTERACTIONS = ("impression", "tap", "tap", "tap", "start", "start", "complete", "abandon")

DRAFTS = ("draft-1", "draft|2", "draft-3")
ROLES = {
    "DraftCreated": ("creator_id",),
    "DraftViewed": ("user_id",),
    "DraftShared": ("user_id",),
    "SegmentAdded": ("contributor_id",),
    "RINGPassed": ("from_user_id", "to_user_id"),
    "DraftPublished": ("publisher_id",),
    "DraftPublishedEvent": ("publisher_id",),
}
DRAFT_WEIGHTS = (3, 4, 2, 8, 8, 1, 1)
# Enough of them for more than ten places; the first three learners do most.
WRITERS = tuple(f"writer-{number}" for number in range(10))

CHAPTERS = ("chapter-1", "chapter|2")
# The last of each is no grain: too long, or with an e-mail address.
BLOCK_TYPES = ("ask-question", "explain-like-10", "quiz", "diagram", "x" * 65)
ERROR_TYPES = ("timeout", "render", "lost ann@example.org")


def script(rng: random.Random, system: str, day: date, users: list[str], numbers: Iterator[int]) -> Iterator[Happening]:
    """A run of events around a day, with the instants of each."""
    if system == "recommendation":
        yield from interactions(rng, day, numbers)
    elif system == "collaboration":
        yield from draft_events(rng, day, users, numbers)
    else:
        yield from textbook_events(rng, day, users, numbers)


def some(rng: random.Random, document: Document, name: str, *values: Any, share: float = 0.5) -> None:
    """Set a field at times, at times to null."""
    if rng.random() < share:
        document[name] = rng.choice(values)
    elif rng.random() < 0.2:
        document[name] = None


# --- recommendation -------------------------------------------------------------------------------------------------


def interactions(rng: random.Random, day: date, numbers: Iterator[int]) -> Iterator[Happening]:
    """One child at one recommendation as a rule; some follow exactly when a window of 24 hours ends, or just after."""
    child, recommendation = rng.choice(CHILDREN), rng.choice(RECOMMENDATIONS)
    moment = midnight(day) + timedelta(hours=rng.choice((-24, -0.5, 0, 12, 23.5)))
    opened, last_form = moment, rng.randrange(12)
    for _ in range(rng.randint(2, 10)):
        event = rng.choice(INTERACTIONS)
        if rng.random() < 0.1:
            child, recommendation = rng.choice(CHILDREN), rng.choice(RECOMMENDATIONS)
        if event == "tap":
            opened = moment
        elif rng.random() < 0.1:
            moment = max(moment, opened + DAY + rng.choice((timedelta(0), MICROSECOND)))
        if rng.random() < 0.3:
            last_form = rng.randrange(12)
        yield moment, interaction(rng, event, child, recommendation, moment, last_form, numbers)
        moment += rng.choice(GAPS)


def interaction(
    rng: random.Random,
    event: str,
    child: str,
    recommendation: str,
    moment: datetime,
    form: int,
    numbers: Iterator[int],
) -> Document:
    dice = rng.random()
    if dice < 0.5:
        key = f"key-{next(numbers)}"
    elif dice < 0.95:
        key = collapsed_key(child, event, recommendation, form)
    else:
        key = collapsed_key(child, rng.choice(INTERACTIONS), recommendation, form)  # perhaps another event's
    document: Document = {
        "event_key": key,
        "event": event,
        "child_id": child,
        "recommendation_id": recommendation,
        "occurred_at": spelled(moment, rng),
    }
    some(rng, document, "event_order", 0, 1, 2, 2**62, -1, share=0.6)
    metadata: Document = {}
    some(rng, metadata, "position", 0, 3)
    some(rng, metadata, "surface", "home", ["home", 2])
    some(rng, metadata, "revision", 1, share=0.05)
    if metadata or rng.random() < 0.5:
        document["metadata"] = metadata
    some(rng, document, "app_build", 1, 2, share=0.05)
    return document


def collapsed_key(child: str, event: str, recommendation: str, form: int) -> str:
    """One of the twelve forms of a key."""
    text = ":-_|"[form % 4].join((child, event, recommendation))
    if form < 4:
        return text
    return (hashlib.md5 if form < 8 else hashlib.sha1)(text.encode()).hexdigest()


# --- collaboration --------------------------------------------------------------------------------------------------


def draft_events(rng: random.Random, day: date, users: list[str], numbers: Iterator[int]) -> Iterator[Happening]:
    """Mostly one draft. It may begin 7 or 30 days before the end of the day: a period's or the funnel's window's."""
    draft = rng.choice(DRAFTS) if rng.random() < 0.7 else f"draft-{next(numbers)}"
    moment = midnight(day - rng.choice((0, 0, 0, 1, 6, 7, 29, 30)) * DAY) + timedelta(hours=rng.choice((0, 12, 23.5)))
    moment -= rng.choice((timedelta(0), timedelta(0), MICROSECOND))
    opened = moment
    for _ in range(rng.randint(3, 12)):
        event_type = rng.choices(list(ROLES), DRAFT_WEIGHTS)[0]
        data: Document = {"draft_id": draft}
        for role in ROLES[event_type]:
            data[role] = rng.choice(users[:3] if rng.random() < 0.6 else WRITERS)
        if event_type == "RINGPassed" and rng.random() < 0.1:
            data["to_user_id"] = data["from_user_id"]
        if event_type == "SegmentAdded":
            data["segment_id"] = f"segment-{next(numbers)}" if rng.random() < 0.5 else "segment"
        some(rng, data, "words", 5, 0.5, share=0.3)
        some(rng, data, "style", {"bold": True, "color": None}, ["a", None], share=0.1)
        if event_type == "DraftCreated":
            opened = moment
        elif rng.random() < 0.04:
            moment = max(moment, opened + 30 * DAY + rng.choice((timedelta(0), MICROSECOND)))
        document: Document = {"event_type": event_type, "timestamp": spelled(moment, rng), "data": data}
        some(rng, document, "idempotency_key", f"ik-{next(numbers)}", share=0.6)
        some(rng, document, "app_build", 1, 2, share=0.05)
        yield moment, document
        moment += rng.choice(GAPS)


# --- textbook -------------------------------------------------------------------------------------------------------


def textbook_events(rng: random.Random, day: date, users: list[str], numbers: Iterator[int]) -> Iterator[Happening]:
    """Visits, uses and errors around midnights; more than half of the rows have no id."""
    moment = midnight(day) + timedelta(hours=rng.choice((-0.5, 0, 12, 23.5)))
    for _ in range(rng.randint(2, 10)):
        event_type = rng.choice(("ai_block_used", "ai_block_used", "chapter_visit", "error_event"))
        payload: Document = {}
        if event_type == "error_event":
            payload["error_type"] = rng.choice(ERROR_TYPES)
            some(rng, payload, "error_message", "no answer", "call 030 1234567 or ann@example.org", share=0.4)
            some(rng, payload, "chapter_id", *CHAPTERS, share=0.6)
        else:
            payload |= {"user_id": rng.choice(users[:3]), "chapter_id": rng.choice(CHAPTERS)}
        if event_type == "ai_block_used":
            payload["block_type"] = rng.choice(BLOCK_TYPES)
            some(rng, payload, "query", "why?", "why, at ann@example.org?", share=0.4)
            some(rng, payload, "section_id", "section-1", share=0.3)
        document: Document = {"event_type": event_type, "timestamp": spelled(moment, rng), "payload": payload}
        some(rng, document, "event_id", f"tb-{next(numbers)}", share=0.4)
        some(rng, document, "app_build", 1, 2, share=0.05)
        yield moment, document
        moment += rng.choice(GAPS)


# --- rows that are altered, and rows that are refused ---------------------------------------------------------------


def alter(rng: random.Random, system: str, document: Document) -> None:
    """Change the content of a row and keep its key, where it has one."""
    change = rng.choice(("time", "body", "person"))
    if change == "time":
        name = "occurred_at" if system == "recommendation" else "timestamp"
        moved = timestamp(document[name]) - rng.choice((MICROSECOND, 5 * MINUTE, DAY))
        document[name] = spelled(moved, rng)
    elif system == "recommendation":
        if change == "person":
            document["child_id"] = rng.choice([child for child in CHILDREN if child != document["child_id"]])
        else:
            document["metadata"] = {**(document.get("metadata") or {}), "revision": rng.randint(2, 9)}
    elif system == "collaboration" and change == "person":
        for role in ROLES[document["event_type"]]:
            document["data"][role] = rng.choice(WRITERS)
    else:
        name = "data" if system == "collaboration" else "payload"
        document[name] = {**document[name], "revision": rng.randint(2, 9)}


def spoil(rng: random.Random, system: str, document: Document) -> str:
    """Break a row in one way; returns the reason for which the load must refuse it."""
    reason = rng.choice(("unknown_event_type", "missing_field", "invalid_field", "timestamp_out_of_range"))
    type_field, time_field = ("event", "occurred_at") if system == "recommendation" else ("event_type", "timestamp")
    payload = {"recommendation": "metadata", "collaboration": "data", "textbook": "payload"}[system]
    if reason == "unknown_event_type":
        document[type_field] = document[type_field].swapcase()
    elif reason == "timestamp_out_of_range":
        document[time_field] = "1999-12-31T23:59:59.999999Z"
    elif reason == "invalid_field":
        wrong: tuple[tuple[str, Any], ...] = ((time_field, "2026-03-02"), (payload, "no object"), (payload, [1]))
        if system == "recommendation":
            wrong += (("child_id", "ann@example.org"), ("event_key", ""), ("event_order", "1"), ("event_order", 1.5))
        name, value = rng.choice(wrong)
        document[name] = value
    else:
        missing = [type_field, time_field]
        missing += ["event_key", "child_id", "recommendation_id"] if system == "recommendation" else [payload]
        del document[rng.choice(missing)]
    return reason
