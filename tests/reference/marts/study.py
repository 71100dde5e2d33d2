"""Sessions, attempts, materials and days of study.

What belongs here: the marts that other marts of the study system build upon, and what its events mean.
What does not: what is told of a learner as of as-of (`learners.py`), of questions and of the coach (`questions.py`).
Readings of the text where it leaves room are marked "Reading:".
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from tests.reference.marts.common import DAY, Mart, grain_text, median, midnight, ratio, seconds, total
from tests.reference.reading import MICROSECOND, Row, StudyEvent, decimal6, lower

COLUMNS: dict[str, tuple[str, ...]] = {
    "study_sessions": (
        "session_id",
        "user_id",
        "is_derived",
        "started_at",
        "ended_at",
        "end_reason",
        "is_active",
        "duration_seconds",
        "active_seconds",
        "pause_count",
        "materials_viewed",
        "materials_completed",
        "chunks_read",
        "questions_attempted",
        "questions_correct",
        "ai_interactions",
        "xp_earned",
        "achievements_unlocked",
        "searches",
        "device_type",
        "timezone",
        "events",
        "events_after_end",
        "overlaps_other_session",
        "reported_duration_seconds",
        "reported_active_seconds",
        "reported_materials_viewed",
        "reported_questions_attempted",
        "reported_xp_earned",
    ),
    "question_attempts": (
        "attempt_id",
        "user_id",
        "session_id",
        "question_id",
        "topic_id",
        "date",
        "attempted_at",
        "is_correct",
        "time_to_answer_seconds",
        "confidence_level",
        "selected_answer",
        "correct_answer",
        "attempt_number",
        "is_first_attempt",
        "days_since_last_attempt",
        "hint_used",
        "explanation_viewed",
        "reported_attempt_number",
        "reported_is_first_attempt",
    ),
    "material_interactions": (
        "user_id",
        "session_id",
        "material_id",
        "started_at",
        "ended_at",
        "duration_seconds",
        "scroll_depth_percent",
        "chunks_read",
        "is_complete",
        "highlights_count",
        "notes_count",
        "bookmarked",
    ),
    "daily_user_stats": (
        "user_id",
        "date",
        "sessions_started",
        "active_seconds",
        "materials_viewed",
        "materials_completed",
        "chunks_read",
        "reading_seconds",
        "questions_attempted",
        "questions_correct",
        "accuracy",
        "first_attempts",
        "topics_studied",
        "ai_interactions",
        "hints_requested",
        "quizzes_completed",
        "searches",
        "xp_earned",
        "achievements_unlocked",
        "is_active_day",
        "streak_days",
    ),
    "weekly_user_stats": (
        "user_id",
        "week_start",
        "sessions_started",
        "active_seconds",
        "materials_viewed",
        "materials_completed",
        "chunks_read",
        "reading_seconds",
        "questions_attempted",
        "questions_correct",
        "accuracy",
        "first_attempts",
        "topics_studied",
        "ai_interactions",
        "hints_requested",
        "quizzes_completed",
        "searches",
        "xp_earned",
        "achievements_unlocked",
        "active_days",
        "is_complete_week",
        "active_seconds_change",
        "questions_attempted_change",
        "accuracy_change",
    ),
    "topics": ("topic_id", "topic_name", "topic_level", "parent_topic_id"),
    "topic_daily_stats": (
        "topic_id",
        "date",
        "users",
        "questions_attempted",
        "questions_correct",
        "accuracy",
        "first_attempt_accuracy",
        "median_time_to_answer_seconds",
        "hint_rate",
        "reading_seconds",
        "ai_questions",
        "explorations",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {
    "study_sessions": ("session_id",),
    "question_attempts": ("attempt_id",),
    "material_interactions": ("user_id", "session_id", "material_id"),
    "daily_user_stats": ("user_id", "date"),
    "weekly_user_stats": ("user_id", "week_start"),
    "topics": ("topic_id",),
    "topic_daily_stats": ("topic_id", "date"),
}
INACTIVITY = timedelta(minutes=30)
COMPLETE_AT_SCROLL = 90


def is_learning(event: StudyEvent) -> bool:
    return not event.event_type.startswith(("session_", "streak_")) and event.event_type not in (
        "xp_earned",
        "level_up",
        "achievement_unlocked",
    )


def count(events: Iterable[StudyEvent], event_type: str) -> int:
    return sum(event.event_type == event_type for event in events)


def is_correct(event: StudyEvent) -> bool:
    return event.event_type == "question_submit" and event.properties["is_correct"] is True


def reading_time(event: StudyEvent) -> Decimal | None:
    return decimal6(event.properties["time_spent_seconds"]) if event.event_type == "material_read" else None


def scroll_depth(event: StudyEvent) -> Decimal | None:
    return decimal6(event.properties.get("scroll_depth_percent")) if event.event_type == "material_read" else None


def completes_material(event: StudyEvent) -> bool:
    depth = scroll_depth(event)
    return event.event_type == "material_complete" or (depth is not None and depth >= COMPLETE_AT_SCROLL)


def materials_viewed(events: Iterable[StudyEvent]) -> int:
    return len({event.material_id for event in events if event.event_type in ("material_open", "material_read")})


def materials_completed(events: Iterable[StudyEvent]) -> int:
    return len({event.material_id for event in events if completes_material(event)})


def topics_studied(events: Iterable[StudyEvent]) -> int:
    return len({event.topic_id for event in events if is_learning(event) and event.topic_id})


def chunks_read(events: Iterable[StudyEvent]) -> int:
    return len({event.chunk_id for event in events if event.event_type == "material_read" and event.chunk_id})


def xp(events: Iterable[StudyEvent]) -> int:
    return sum(event.properties["xp_amount"] for event in events if event.event_type == "xp_earned")


def answer_text(value: Any) -> str | None:
    """An open answer: short text as it is, other scalars as JSON text, the rest as a hash."""
    if value is None:
        return None
    if isinstance(value, str):
        return value if len(value) <= 64 else hashlib.sha256(value.encode()).hexdigest()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    compact = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(compact.encode()).hexdigest()


@dataclass
class Session:
    """A study session, its events in time order, and how it ended."""

    session_id: str
    is_derived: bool
    events: list[StudyEvent]
    ended_at: datetime | None = None
    end_reason: str = "active"
    last_at: datetime = datetime.min  # the last event, session ends that came too late aside

    @property
    def user_id(self) -> str:
        return self.events[0].user_id

    @property
    def started_at(self) -> datetime:
        return self.events[0].ts

    @property
    def span(self) -> tuple[datetime, datetime]:
        return (self.started_at, self.last_at if self.ended_at is None else self.ended_at)

    def active_gaps(self) -> list[tuple[datetime, datetime]]:
        """The gaps between consecutive events that count as active time."""
        horizon = self.span[1]
        paused = False
        gaps = []
        for event, following in pairwise(self.events):
            if event.event_type == "session_pause":
                paused = True
            elif is_learning(event) or event.event_type in ("session_resume", "session_start", "session_end"):
                paused = False
            if (
                event.ts < horizon
                and following.ts - event.ts <= INACTIVITY
                and event.event_type != "session_end"
                and not paused
            ):
                gaps.append((event.ts, following.ts))
        return gaps


def study_sessions_of(events: list[StudyEvent], as_of: datetime) -> list[Session]:
    """The sessions, stated and derived."""
    stated: dict[str, list[StudyEvent]] = defaultdict(list)
    loose: dict[str, list[StudyEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        if event.event_type.startswith("streak_"):
            continue
        if event.session_id is not None:
            stated[event.session_id].append(event)
        else:
            loose[event.user_id].append(event)
    sessions = [Session(session_id, False, members) for session_id, members in stated.items()]
    # Reading: the gap is between events without a session id; events of stated sessions in between bridge nothing.
    for members in loose.values():
        run: list[StudyEvent] = []
        for event in members:
            if run and event.ts - run[-1].ts > INACTIVITY:
                sessions.append(Session("derived-" + run[0].event_id, True, run))
                run = []
            run.append(event)
        sessions.append(Session("derived-" + run[0].event_id, True, run))
    for session in sessions:
        close(session, as_of)
    return sessions


def close(session: Session, as_of: datetime) -> None:
    """Find out when and how a session ended."""
    events = session.events
    # An event that is a session end and comes too long after the event before it; the first event has none before it.
    too_late = [
        event.event_type == "session_end" and index > 0 and event.ts - events[index - 1].ts > INACTIVITY
        for index, event in enumerate(events)
    ]
    session.last_at = max(event.ts for event, late in zip(events, too_late, strict=True) if not late)
    ends = [index for index, event in enumerate(events) if event.event_type == "session_end"]
    if ends:
        end = events[ends[-1]]
        went_on = any(is_learning(event) and event.ts > end.ts for event in events)
        if not went_on and not too_late[ends[-1]]:
            session.ended_at, session.end_reason = end.ts, "explicit"
            return
    if as_of - session.last_at > INACTIVITY:
        session.ended_at, session.end_reason = session.last_at, "timeout"


def session_by_event(sessions: list[Session]) -> dict[str, str]:
    """The session id of each event that belongs to one."""
    return {event.event_id: session.session_id for session in sessions for event in session.events}


def study_sessions(sessions: list[Session]) -> Mart:
    """One row a session."""
    mart = []
    for session in sessions:
        events = session.events
        starts = [event.properties for event in events if event.event_type == "session_start"]
        ends = [event.properties for event in events if event.event_type == "session_end"]
        reported = ends[-1] if ends else {}
        started_at, until = session.span
        ended_at = session.ended_at
        overlaps = any(
            min(until, other.span[1]) > max(started_at, other.span[0])
            for other in sessions
            if other is not session and other.user_id == session.user_id
        )
        mart.append(
            {
                "session_id": session.session_id,
                "user_id": session.user_id,
                "is_derived": session.is_derived,
                "started_at": started_at,
                "ended_at": ended_at,
                "end_reason": session.end_reason,
                "is_active": ended_at is None,
                "duration_seconds": None if ended_at is None else seconds(ended_at - started_at),
                "active_seconds": total(seconds(end - start) for start, end in session.active_gaps()),
                "pause_count": count(events, "session_pause"),
                "materials_viewed": materials_viewed(events),
                "materials_completed": materials_completed(events),
                "chunks_read": chunks_read(events),
                "questions_attempted": count(events, "question_submit"),
                "questions_correct": sum(is_correct(event) for event in events),
                "ai_interactions": count(events, "ai_question_asked"),
                "xp_earned": xp(events),
                "achievements_unlocked": count(events, "achievement_unlocked"),
                "searches": count(events, "search_performed"),
                # Reading: each of the two from the first session_start that states that one.
                "device_type": grain_text(first_stated(starts, "device_type")),
                "timezone": grain_text(first_stated(starts, "timezone")),
                "events": len(events),
                "events_after_end": sum(ended_at is not None and event.ts > ended_at for event in events),
                "overlaps_other_session": overlaps,
                "reported_duration_seconds": decimal6(reported.get("duration_seconds")),
                "reported_active_seconds": decimal6(reported.get("active_seconds")),
                "reported_materials_viewed": decimal6(reported.get("materials_viewed")),
                "reported_questions_attempted": decimal6(reported.get("questions_attempted")),
                "reported_xp_earned": decimal6(reported.get("xp_earned")),
            }
        )
    return mart


def first_stated(starts: list[dict[str, Any]], name: str) -> str | None:
    return next((start[name] for start in starts if start.get(name) is not None), None)


def question_attempts(events: list[StudyEvent], sessions: list[Session]) -> Mart:
    """One row a `question_submit`."""
    session_of = session_by_event(sessions)
    attempts: dict[tuple[str, str], list[StudyEvent]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.order):
        if event.event_type == "question_submit":
            assert event.question_id is not None
            attempts[event.user_id, event.question_id].append(event)

    mart = []
    for (user_id, question_id), mine in attempts.items():
        for index, attempt in enumerate(mine):
            previous = mine[index - 1] if index > 0 else None
            following = mine[index + 1] if index + 1 < len(mine) else None
            about_it = [
                event
                for event in events
                if event.user_id == user_id
                and event.question_id == question_id
                and session_of.get(event.event_id) == session_of[attempt.event_id]
            ]
            hints = [
                event
                for event in about_it
                if event.event_type == "ai_hint_requested"
                and event.order < attempt.order
                and (previous is None or event.order > previous.order)
            ]
            explanations = [
                event
                for event in about_it
                if event.event_type == "ai_explanation_requested"
                and event.order > attempt.order
                and (following is None or event.order < following.order)
            ]
            properties = attempt.properties
            mart.append(
                {
                    "attempt_id": attempt.event_id,
                    "user_id": user_id,
                    "session_id": session_of[attempt.event_id],
                    "question_id": question_id,
                    "topic_id": attempt.topic_id,
                    "date": attempt.ts.date(),
                    "attempted_at": attempt.ts,
                    "is_correct": properties["is_correct"],
                    "time_to_answer_seconds": decimal6(properties.get("time_to_answer_seconds")),
                    "confidence_level": properties.get("confidence_level"),
                    "selected_answer": answer_text(properties.get("selected_answer")),
                    "correct_answer": answer_text(properties.get("correct_answer")),
                    "attempt_number": index + 1,
                    "is_first_attempt": index == 0,
                    "days_since_last_attempt": None if previous is None else days(attempt.ts - previous.ts),
                    "hint_used": properties.get("hint_used") is True or bool(hints),
                    "explanation_viewed": bool(explanations),
                    "reported_attempt_number": properties.get("attempt_number"),
                    "reported_is_first_attempt": properties.get("is_first_attempt"),
                }
            )
    return mart


def days(span: timedelta) -> Decimal | None:
    """A span in days with 6 places, from its whole microseconds."""
    return decimal6(Decimal(span // MICROSECOND) / Decimal(DAY // MICROSECOND))


def material_interactions(events: list[StudyEvent], sessions: list[Session]) -> Mart:
    """One row a (user, session, material) with a `material_*` event."""
    session_of = session_by_event(sessions)
    groups: dict[tuple[str, str, str], list[StudyEvent]] = defaultdict(list)
    for event in events:
        if event.event_type.startswith("material_"):
            assert event.material_id is not None
            groups[event.user_id, session_of[event.event_id], event.material_id].append(event)
    return [
        {
            "user_id": user_id,
            "session_id": session_id,
            "material_id": material_id,
            "started_at": min(event.ts for event in group),
            "ended_at": max(event.ts for event in group),
            "duration_seconds": total(reading_time(event) for event in group),
            "scroll_depth_percent": max(
                (depth for event in group if (depth := scroll_depth(event)) is not None), default=None
            ),
            "chunks_read": chunks_read(group),
            "is_complete": any(completes_material(event) for event in group),
            "highlights_count": count(group, "material_highlight"),
            "notes_count": count(group, "material_note"),
            "bookmarked": count(group, "material_bookmark") > 0,
        }
        for (user_id, session_id, material_id), group in groups.items()
    ]


def parts_by_day(start: datetime, end: datetime) -> list[tuple[date, timedelta]]:
    """A span cut at every midnight (UTC)."""
    parts = []
    while start < end:
        cut = min(end, midnight(start.date()) + DAY)
        parts.append((start.date(), cut - start))
        start = cut
    return parts


def daily_user_stats(events: list[StudyEvent], sessions: list[Session], attempts: Mart) -> Mart:
    """One row a (user, date) with an event or active seconds."""
    by_day: dict[tuple[str, date], list[StudyEvent]] = defaultdict(list)
    for event in events:
        by_day[event.user_id, event.ts.date()].append(event)
    active: dict[tuple[str, date], timedelta] = defaultdict(timedelta)
    for session in sessions:
        for start, end in session.active_gaps():
            for day, part in parts_by_day(start, end):
                active[session.user_id, day] += part
    started = Counter((session.user_id, session.started_at.date()) for session in sessions)
    first_attempts = Counter(
        (row["user_id"], row["attempted_at"].date()) for row in attempts if row["is_first_attempt"]
    )
    active_days = {(event.user_id, event.ts.date()) for event in events if is_learning(event)}

    mart = []
    for user_id, day in by_day.keys() | active.keys():
        mine = by_day.get((user_id, day), [])
        streak = 0
        while (user_id, day - streak * DAY) in active_days:
            streak += 1
        attempted = count(mine, "question_submit")
        correct = sum(is_correct(event) for event in mine)
        mart.append(
            {
                "user_id": user_id,
                "date": day,
                "sessions_started": started[user_id, day],
                "active_seconds": seconds(active.get((user_id, day), timedelta())),
                "materials_viewed": materials_viewed(mine),
                "materials_completed": materials_completed(mine),
                "chunks_read": chunks_read(mine),
                "reading_seconds": total(reading_time(event) for event in mine),
                "questions_attempted": attempted,
                "questions_correct": correct,
                "accuracy": ratio(correct, attempted),
                "first_attempts": first_attempts[user_id, day],
                "topics_studied": topics_studied(mine),
                "ai_interactions": count(mine, "ai_question_asked"),
                "hints_requested": count(mine, "ai_hint_requested"),
                "quizzes_completed": count(mine, "quiz_complete"),
                "searches": count(mine, "search_performed"),
                "xp_earned": xp(mine),
                "achievements_unlocked": count(mine, "achievement_unlocked"),
                "is_active_day": (user_id, day) in active_days,
                "streak_days": streak,
            }
        )
    return mart


def monday(day: date) -> date:
    """The first day of a date's ISO week."""
    return day - day.weekday() * DAY


def weekly_user_stats(events: list[StudyEvent], daily: Mart, as_of: datetime) -> Mart:
    """One row a (user, week) with a row of `daily_user_stats`."""
    by_week: dict[tuple[str, date], list[StudyEvent]] = defaultdict(list)
    for event in events:
        by_week[event.user_id, monday(event.ts.date())].append(event)
    days_of: dict[tuple[str, date], Mart] = defaultdict(list)
    for row in daily:
        days_of[row["user_id"], monday(row["date"])].append(row)

    weeks = {}
    for (user_id, week_start), rows in days_of.items():
        mine = by_week.get((user_id, week_start), [])
        attempted = sum(row["questions_attempted"] for row in rows)
        correct = sum(row["questions_correct"] for row in rows)
        weeks[user_id, week_start] = {
            "user_id": user_id,
            "week_start": week_start,
            "sessions_started": sum(row["sessions_started"] for row in rows),
            "active_seconds": total(row["active_seconds"] for row in rows),
            "materials_viewed": materials_viewed(mine),
            "materials_completed": materials_completed(mine),
            "chunks_read": chunks_read(mine),
            "reading_seconds": total(row["reading_seconds"] for row in rows),
            "questions_attempted": attempted,
            "questions_correct": correct,
            "accuracy": ratio(correct, attempted),
            "first_attempts": sum(row["first_attempts"] for row in rows),
            "topics_studied": topics_studied(mine),
            "ai_interactions": sum(row["ai_interactions"] for row in rows),
            "hints_requested": sum(row["hints_requested"] for row in rows),
            "quizzes_completed": sum(row["quizzes_completed"] for row in rows),
            "searches": sum(row["searches"] for row in rows),
            "xp_earned": sum(row["xp_earned"] for row in rows),
            "achievements_unlocked": sum(row["achievements_unlocked"] for row in rows),
            "active_days": sum(row["is_active_day"] for row in rows),
            "is_complete_week": as_of >= midnight(week_start) + 7 * DAY,
        }
    mart = []
    for (user_id, week_start), week in weeks.items():
        before = weeks.get((user_id, week_start - 7 * DAY)) if week["is_complete_week"] else None
        mart.append({**week, **{f"{name}_change": change(week, before, name) for name in CHANGING}})
    return mart


CHANGING = ("active_seconds", "questions_attempted", "accuracy")


def change(week: dict[str, Any], before: dict[str, Any] | None, name: str) -> Any:
    """The difference from the week before; null where a side is missing."""
    if before is None or week[name] is None or before[name] is None:
        return None
    return week[name] - before[name]


def topics_of(event: StudyEvent) -> set[str]:
    """The distinct topics that an event is on."""
    topics = {event.topic_id} if event.topic_id is not None else set()
    if event.event_type == "ai_question_asked":
        topics |= {topic.lower() for topic in event.properties.get("detected_topics") or []}
    return topics


def topics(snapshot: Iterable[Row]) -> Mart:
    """One row a topic of the newest snapshot."""
    return [
        {
            "topic_id": row.payload["topic_id"].lower(),
            "topic_name": grain_text(row.payload.get("name")),
            "topic_level": grain_text(row.payload.get("level")),
            "parent_topic_id": lower(row.payload.get("parent_topic_id")),
        }
        for row in snapshot
    ]


def topic_daily_stats(events: list[StudyEvent], attempts: Mart) -> Mart:
    """One row a (topic, date) with any event on the topic."""
    groups: dict[tuple[str, date], list[StudyEvent]] = defaultdict(list)
    for event in events:
        for topic_id in topics_of(event):
            groups[topic_id, event.ts.date()].append(event)
    tried: dict[tuple[str, date], Mart] = defaultdict(list)
    for row in attempts:
        tried[row["topic_id"], row["attempted_at"].date()].append(row)

    mart = []
    for (topic_id, day), group in groups.items():
        rows = tried.get((topic_id, day), [])
        correct = [row for row in rows if row["is_correct"]]
        times = [row["time_to_answer_seconds"] for row in rows if row["time_to_answer_seconds"] is not None]
        mart.append(
            {
                "topic_id": topic_id,
                "date": day,
                "users": len({event.user_id for event in group}),
                "questions_attempted": len(rows),
                "questions_correct": len(correct),
                "accuracy": ratio(len(correct), len(rows)),
                "first_attempt_accuracy": ratio(
                    sum(row["is_first_attempt"] for row in correct), sum(row["is_first_attempt"] for row in rows)
                ),
                "median_time_to_answer_seconds": median(times),
                "hint_rate": ratio(sum(row["hint_used"] for row in rows), len(rows)),
                "reading_seconds": total(reading_time(event) for event in group),
                "ai_questions": count(group, "ai_question_asked"),
                "explorations": count(group, "topic_explored"),
            }
        )
    return mart
