"""Shared drafts, those who write them, and the leaderboard.

What belongs here: marts from the events of the system `collaboration`. What does not: its funnel (`funnels.py`).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.reference.marts.common import DAY, MINUTE, Mart, round9
from tests.reference.reading import MICROSECOND, CollaborationEvent

COLUMNS: dict[str, tuple[str, ...]] = {
    "draft_analytics": (
        "draft_id",
        "created_at",
        "creator_id",
        "views",
        "unique_viewers",
        "shares",
        "segments",
        "contributors",
        "ring_passes",
        "last_activity_at",
        "published_at",
    ),
    "collaborator_analytics": (
        "user_id",
        "drafts_created",
        "drafts_contributed",
        "segments_written",
        "rings_held",
        "avg_hold_minutes",
        "open_holds",
        "longest_open_hold_minutes",
        "last_activity_at",
    ),
    # insight and message are texts of a seed.
    "leaderboard": ("metric", "period", "position", "user_id", "score", "display_name"),
}
KEYS: dict[str, tuple[str, ...]] = {
    "draft_analytics": ("draft_id",),
    "collaborator_analytics": ("user_id",),
    "leaderboard": ("metric", "period", "position"),
}

# The fields of each event that name a user.
ROLES = {
    "DraftCreated": ("creator_id",),
    "DraftViewed": ("user_id",),
    "DraftShared": ("user_id",),
    "SegmentAdded": ("contributor_id",),
    "RINGPassed": ("from_user_id", "to_user_id"),
    "DraftPublished": ("publisher_id",),
}
PERIODS: dict[str, timedelta | None] = {"all_time": None, "30d": 30 * DAY, "7d": 7 * DAY}
PLACES = 10


def of_type(events: Iterable[CollaborationEvent], event_type: str) -> list[CollaborationEvent]:
    return [event for event in events if event.event_type == event_type]


def draft_analytics(events: list[CollaborationEvent]) -> Mart:
    """One row a draft named in any event."""
    by_draft: dict[str, list[CollaborationEvent]] = defaultdict(list)
    for event in events:
        by_draft[event.draft_id].append(event)
    mart = []
    for draft_id, mine in by_draft.items():
        created = of_type(mine, "DraftCreated")
        views = of_type(mine, "DraftViewed")
        segments = of_type(mine, "SegmentAdded")
        published = of_type(mine, "DraftPublished")
        mart.append(
            {
                "draft_id": draft_id,
                "created_at": created[0].ts if created else None,
                "creator_id": created[0].data["creator_id"] if created else None,
                "views": len(views),
                "unique_viewers": len({event.data["user_id"] for event in views}),
                "shares": len(of_type(mine, "DraftShared")),
                "segments": len(segments),
                "contributors": len({event.data["contributor_id"] for event in segments}),
                "ring_passes": len(of_type(mine, "RINGPassed")),
                "last_activity_at": mine[-1].ts,
                "published_at": published[0].ts if published else None,
            }
        )
    return mart


def holds(events: list[CollaborationEvent]) -> tuple[dict[str, list[timedelta]], dict[str, list[datetime]]]:
    """The lengths of the holds that ended, and the starts of those that are open, both by user.

    Reading: what a pass means to who passes and what it means to who receives are two things. A pass without a hold
    opens nothing for who passes; who receives the ring holds it, whoever had it before.
    """
    since: dict[tuple[str, str], datetime] = {}
    ended: dict[str, list[timedelta]] = defaultdict(list)
    for event in events:
        if event.event_type == "DraftCreated":
            since[event.data["creator_id"], event.draft_id] = event.ts
        elif event.event_type == "RINGPassed":
            giver, taker = event.data["from_user_id"], event.data["to_user_id"]
            if giver == taker:
                continue
            start = since.pop((giver, event.draft_id), None)
            if start is not None:
                ended[giver].append(event.ts - start)
            since[taker, event.draft_id] = event.ts
    still_open: dict[str, list[datetime]] = defaultdict(list)
    for (user_id, _), start in since.items():
        still_open[user_id].append(start)
    return ended, still_open


def minutes(span: timedelta) -> Fraction:
    return Fraction(span // MICROSECOND, MINUTE // MICROSECOND)


def collaborator_analytics(events: list[CollaborationEvent], as_of: datetime) -> Mart:
    """One row a user named in any role."""
    by_user: dict[str, list[CollaborationEvent]] = defaultdict(list)
    for event in events:
        for user_id in {event.data[role] for role in ROLES[event.event_type]}:
            by_user[user_id].append(event)
    ended, still_open = holds(events)
    mart = []
    for user_id, mine in by_user.items():
        past = [minutes(span) for span in ended.get(user_id, [])]
        waiting = [minutes(max(as_of - start, timedelta())) for start in still_open.get(user_id, [])]
        mart.append(
            {
                "user_id": user_id,
                "drafts_created": len(drafts_created(mine, user_id)),
                "drafts_contributed": len({event.draft_id for event in segments_written(mine, user_id)}),
                "segments_written": len(segments_written(mine, user_id)),
                "rings_held": len(rings_received(mine, user_id)),
                "avg_hold_minutes": round9(sum(past, Fraction()) / len(past)) if past else None,
                "open_holds": len(waiting),
                "longest_open_hold_minutes": round9(max(waiting)) if waiting else None,
                "last_activity_at": mine[-1].ts,
            }
        )
    return mart


def drafts_created(events: Iterable[CollaborationEvent], user_id: str) -> list[CollaborationEvent]:
    return [event for event in of_type(events, "DraftCreated") if event.data["creator_id"] == user_id]


def segments_written(events: Iterable[CollaborationEvent], user_id: str) -> list[CollaborationEvent]:
    return [event for event in of_type(events, "SegmentAdded") if event.data["contributor_id"] == user_id]


def rings_received(events: Iterable[CollaborationEvent], user_id: str) -> list[CollaborationEvent]:
    return [event for event in of_type(events, "RINGPassed") if event.data["to_user_id"] == user_id]


def scores(events: list[CollaborationEvent], user_id: str) -> dict[str, int]:
    """What a user has for each metric, from the events of a period."""
    created = len(drafts_created(events, user_id))
    segments = segments_written(events, user_id)
    contributed = len({event.draft_id for event in segments})
    return {
        "collaboration": len(segments) * 3 + len(rings_received(events, user_id)) * 2 + contributed,
        "momentum": len(segments) + created * 5,
        "consistency": created * 5 + contributed * 2,
    }


def leaderboard(events: list[CollaborationEvent], as_of: datetime) -> Mart:
    """One row a (metric, period, position)."""
    users = {event.data[role] for event in events for role in ROLES[event.event_type]}
    mart: Mart = []
    for period, length in PERIODS.items():
        within = [event for event in events if event.ts < as_of and (length is None or event.ts >= as_of - length)]
        of_user = {user_id: scores(within, user_id) for user_id in users}
        for metric in ("collaboration", "momentum", "consistency"):
            ranked = sorted((-score[metric], user_id) for user_id, score in of_user.items() if score[metric] > 0)
            mart += [
                leaderboard_row(metric, period, position, user_id, -negative)
                for position, (negative, user_id) in enumerate(ranked[:PLACES], start=1)
            ]
    return mart


def leaderboard_row(metric: str, period: str, position: int, user_id: str, score: int) -> dict[str, Any]:
    return {
        "metric": metric,
        "period": period,
        "position": position,
        "user_id": user_id,
        "score": score,
        "display_name": "user_" + hashlib.md5(user_id.encode()).hexdigest()[:6],
    }
