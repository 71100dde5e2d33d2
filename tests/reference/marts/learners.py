"""What is told of a learner as of as-of: totals, streaks, gamification.

What belongs here: marts of one row a learner. What does not: sessions, attempts and days, which they are made of.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime
from fractions import Fraction
from typing import Any

from tests.reference.marts.common import DAY, Mart, median, midnight, ratio, total
from tests.reference.marts.mastery import open_gaps, topics_mastered
from tests.reference.marts.study import count, is_correct, is_learning, reading_time, xp
from tests.reference.reading import StudyEvent

COLUMNS: dict[str, tuple[str, ...]] = {
    "user_learning_metrics": (
        "user_id",
        "first_active_date",
        "last_active_date",
        "total_sessions",
        "total_active_seconds",
        "total_questions_attempted",
        "total_questions_correct",
        "total_reading_seconds",
        "total_active_days",
        "active_days_28",
        "consistency_28",
        "current_streak",
        "longest_streak",
        "total_xp",
        "level",
        "topics_mastered",
        "open_gaps",
        "median_session_minutes",
        "usual_hour",
    ),
    "user_gamification": (
        "user_id",
        "total_xp",
        "reported_total_xp",
        "level",
        "current_streak",
        "longest_streak",
        "last_active_date",
        "achievements",
        "streak_broken_on",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {"user_learning_metrics": ("user_id",), "user_gamification": ("user_id",)}
# Where the app reports a learner's whole xp.
TOTAL_XP = {"xp_earned": "new_total_xp", "level_up": "total_xp"}


def by_user(events: list[StudyEvent]) -> dict[str, list[StudyEvent]]:
    groups: dict[str, list[StudyEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        groups[event.user_id].append(event)
    return groups


def active_days(events: list[StudyEvent]) -> set[date]:
    return {event.ts.date() for event in events if is_learning(event)}


def run_ending_on(day: date, days: set[date]) -> int:
    """The length of the run of active days that ends on a day; 0 where that day is none."""
    length = 0
    while day - length * DAY in days:
        length += 1
    return length


def last_complete_day(as_of: datetime) -> date:
    """The last day that ends at or before as-of."""
    return as_of.date() - DAY


def last_active_date(events: list[StudyEvent], as_of: datetime) -> date | None:
    """It looks back from as-of: what happened then or later is left out."""
    return max((event.ts.date() for event in events if is_learning(event) and event.ts < as_of), default=None)


def level(events: list[StudyEvent]) -> int:
    return max((event.properties["new_level"] for event in events if event.event_type == "level_up"), default=1)


def longest_streak(days: set[date]) -> int:
    return max((run_ending_on(day, days) for day in days), default=0)


def usual_hour(events: list[StudyEvent]) -> int | None:
    """The hour with most learning events, the earlier at a tie."""
    hours = Counter(event.ts.hour for event in events if is_learning(event))
    return min(hours, key=lambda hour: (-hours[hour], hour), default=None)


def user_learning_metrics(events: list[StudyEvent], sessions: Mart, topics: Mart, gaps: Mart, as_of: datetime) -> Mart:
    """One row a user with any event; `sessions`, `topics` (their mastery) and `gaps` are the marts."""
    complete = last_complete_day(as_of)
    mart = []
    for user_id, mine in by_user(events).items():
        days = active_days(mine)
        recent = sum(complete - n * DAY in days for n in range(28))
        own = [row for row in sessions if row["user_id"] == user_id]
        ended = [row for row in own if row["ended_at"] is not None and not row["is_derived"]]
        mart.append(
            {
                "user_id": user_id,
                "first_active_date": min(days, default=None),
                "last_active_date": last_active_date(mine, as_of),
                "total_sessions": len(own),
                "total_active_seconds": total(row["active_seconds"] for row in own),
                "total_questions_attempted": count(mine, "question_submit"),
                "total_questions_correct": sum(is_correct(event) for event in mine),
                "total_reading_seconds": total(reading_time(event) for event in mine),
                "total_active_days": len(days),
                "active_days_28": recent,
                "consistency_28": ratio(recent, 28),
                "current_streak": run_ending_on(complete, days),
                "longest_streak": longest_streak(days),
                "total_xp": xp(mine),
                "level": level(mine),
                "topics_mastered": topics_mastered(topics, user_id),
                "open_gaps": open_gaps(gaps, user_id),
                "median_session_minutes": median(Fraction(row["active_seconds"]) / 60 for row in ended),
                "usual_hour": usual_hour(mine),
            }
        )
    return mart


def reported_total_xp(events: list[StudyEvent]) -> Any:
    """What the newest event says that says it; the events come in time order."""
    stated = [event.properties.get(TOTAL_XP[event.event_type]) for event in events if event.event_type in TOTAL_XP]
    return next((value for value in reversed(stated) if value is not None), None)


def streak_broken_on(last_active: date | None, as_of: datetime) -> date | None:
    """The first missed date, once it is over."""
    if last_active is None or midnight(last_active + 2 * DAY) > as_of:
        return None
    return last_active + DAY


def user_gamification(events: list[StudyEvent], as_of: datetime) -> Mart:
    """One row a user with any event."""
    mart = []
    for user_id, mine in by_user(events).items():
        days = active_days(mine)
        last_active = last_active_date(mine, as_of)
        unlocked = [event for event in mine if event.event_type == "achievement_unlocked"]
        mart.append(
            {
                "user_id": user_id,
                "total_xp": xp(mine),
                "reported_total_xp": reported_total_xp(mine),
                "level": level(mine),
                "current_streak": run_ending_on(last_complete_day(as_of), days),
                "longest_streak": longest_streak(days),
                "last_active_date": last_active,
                "achievements": len({event.properties["achievement_id"] for event in unlocked}),
                "streak_broken_on": streak_broken_on(last_active, as_of),
            }
        )
    return mart
