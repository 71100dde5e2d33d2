"""Test sessions, visits to their questions, and what sessions tell of a question.

What belongs here: marts from the events and the reference rows of the system `assessment`.
What does not: which events are accepted (`reading.py`).
Readings of the text where it leaves room are marked "Reading:".
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from tests.reference.marts.common import Mart, cut_and_capped, median, ratio, seconds
from tests.reference.reading import Accepted, AssessmentEvent

ABANDONED_AFTER = timedelta(hours=168)
OVER = ("SESSION_SUBMITTED", "SESSION_EXPIRED")
ANSWERS = ("ANSWER_SELECTED", "ANSWER_CHANGED")

COLUMNS: dict[str, tuple[str, ...]] = {
    "test_sessions": (
        "session_id",
        "user_id",
        "status",
        "created_at",
        "submitted_at",
        "expired_at",
        "reviewed_at",
        "duration_seconds",
        "questions_in_session",
        "questions_viewed",
        "questions_answered",
        "answers_changed",
        "marked_for_review",
        "navigate_next_count",
        "navigate_prev_count",
        "navigate_jump_count",
        "blur_count",
        "blur_seconds",
        "missing_seq",
        "clock_skew_seconds",
        "completion_rate",
    ),
    "question_visits": (
        "visit_id",
        "session_id",
        "user_id",
        "question_id",
        "viewed_at",
        "ended_at",
        "visible_seconds",
        "is_answered",
        "is_changed",
    ),
    "assessment_question_stats": (
        "question_id",
        "sessions_viewed",
        "answered_rate",
        "change_rate",
        "review_mark_rate",
        "median_visible_seconds",
        "skip_rate",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {
    "test_sessions": ("session_id",),
    "question_visits": ("visit_id",),
    "assessment_question_stats": ("question_id",),
}


def events_by_session(accepted: Accepted) -> dict[str, list[AssessmentEvent]]:
    """The events of each session that has any, in time order."""
    by_session: dict[str, list[AssessmentEvent]] = defaultdict(list)
    for event in sorted(accepted.assessment, key=lambda event: event.order):
        by_session[event.session_id].append(event)
    return by_session


def test_sessions(accepted: Accepted, as_of: datetime) -> Mart:
    """One row a session of the reference stream, also without events."""
    by_session = events_by_session(accepted)
    return [
        test_session(session_id, owner, created_at, accepted, by_session.get(session_id, []), as_of)
        for session_id, (owner, created_at) in accepted.test_sessions.items()
    ]


def missing_numbers(events: list[AssessmentEvent]) -> int:
    """How many numbers are absent between the smallest and the largest that are there."""
    numbers = {event.seq for event in events if event.seq is not None}
    return max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0


def test_session(
    session_id: str,
    owner: str,
    reference_created_at: datetime | None,
    accepted: Accepted,
    events: list[AssessmentEvent],
    as_of: datetime,
) -> dict[str, Any]:
    """The row of one test session; its events come in time order."""
    types = Counter(event.event_type for event in events)

    def first(*event_types: str) -> AssessmentEvent | None:
        return next((event for event in events if event.event_type in event_types), None)

    def first_at(event_type: str) -> datetime | None:
        event = first(event_type)
        return None if event is None else event.ts

    created_at = first_at("SESSION_CREATED") or reference_created_at
    over = first(*OVER)
    moments = [event.ts for event in events] + ([created_at] if created_at is not None else [])
    if over is not None:
        status = "submitted" if over.event_type == "SESSION_SUBMITTED" else "expired"
    elif moments and as_of - max(moments) >= ABANDONED_AFTER:
        status = "abandoned"
    else:
        # Reading: a session with neither events nor a creation has no age, and stays in progress.
        status = "in_progress"

    def questions(*event_types: str) -> Counter[str | None]:
        return Counter(event.question_id for event in events if event.event_type in event_types)

    skews = [seconds(event.ts - event.client_ts) for event in events if event.client_ts is not None]
    in_session = len(accepted.session_questions.get(session_id, set()))
    answered = len(questions(*ANSWERS))
    return {
        "session_id": session_id,
        "user_id": owner,
        "status": status,
        "created_at": created_at,
        "submitted_at": first_at("SESSION_SUBMITTED"),
        "expired_at": first_at("SESSION_EXPIRED"),
        "reviewed_at": first_at("REVIEW_OPENED"),
        "duration_seconds": None if over is None or created_at is None else seconds(over.ts - created_at),
        "questions_in_session": in_session,
        "questions_viewed": len(questions("QUESTION_VIEWED")),
        "questions_answered": answered,
        "answers_changed": types["ANSWER_CHANGED"],
        "marked_for_review": sum(times % 2 for times in questions("MARK_FOR_REVIEW_TOGGLED").values()),
        "navigate_next_count": types["NAVIGATE_NEXT"],
        "navigate_prev_count": types["NAVIGATE_PREV"],
        "navigate_jump_count": types["NAVIGATE_JUMP"],
        "blur_count": sum(is_blur(event, "blur") for event in events),
        "blur_seconds": seconds(sum((end - start for start, end in blurred(events)), timedelta())),
        "missing_seq": missing_numbers(events),
        "clock_skew_seconds": median(skews),
        "completion_rate": ratio(answered, in_session),
    }


def is_blur(event: AssessmentEvent, state: str) -> bool:
    return event.event_type == "PAUSE_BLUR" and event.payload.get("state") == state


def blurred(events: list[AssessmentEvent]) -> list[tuple[datetime, datetime]]:
    """The spans out of sight; the events come in time order.

    Reading: "submission or expiry" is where the session was over, its first one; a blur after that which no focus ends
    lasts no time.
    """
    spans = []
    since: datetime | None = None  # the blur that began the spell
    for event in events:
        if is_blur(event, "blur") and since is None:
            since = event.ts
        elif is_blur(event, "focus") and since is not None:
            spans.append((since, event.ts))
            since = None
    if since is not None:
        overs = [event for event in events if event.event_type in OVER]
        until = overs[0] if overs else events[-1]
        spans.append((since, max(until.ts, since)))
    return spans


def question_visits(accepted: Accepted) -> Mart:
    """One row a `QUESTION_VIEWED`."""
    mart = []
    for events in events_by_session(accepted).values():
        spans = blurred(events)
        for index, view in enumerate(events):
            if view.event_type != "QUESTION_VIEWED":
                continue
            # Reading: what nothing ends lasts through the session's last event, which may still be the answer.
            end = next(
                (n for n in range(index + 1, len(events)) if events[n].event_type in ("QUESTION_VIEWED", *OVER)),
                len(events),
            )
            ended_at = events[min(end, len(events) - 1)].ts
            out_of_sight = sum(
                (max(min(until, ended_at) - max(since, view.ts), timedelta()) for since, until in spans), timedelta()
            )
            about_it = [event.event_type for event in events[index + 1 : end] if event.question_id == view.question_id]
            mart.append(
                {
                    "visit_id": view.event_id,
                    "session_id": view.session_id,
                    "user_id": view.user_id,
                    "question_id": view.question_id,
                    "viewed_at": view.ts,
                    "ended_at": ended_at,
                    "visible_seconds": seconds(ended_at - view.ts - out_of_sight),
                    "is_answered": any(event_type in ANSWERS for event_type in about_it),
                    "is_changed": "ANSWER_CHANGED" in about_it,
                }
            )
    return mart


def assessment_question_stats(accepted: Accepted, sessions: Mart, visits: Mart) -> Mart:
    """One row a question that a session viewed."""
    submitted = {row["session_id"] for row in sessions if row["status"] == "submitted"}
    viewed: dict[str, set[str]] = defaultdict(set)
    times: dict[str, list[int]] = defaultdict(list)
    for row in visits:
        viewed[row["question_id"]].add(row["session_id"])
        times[row["question_id"]].append(cut_and_capped(row["visible_seconds"]))
    types: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)
    for event in accepted.assessment:
        types[event.session_id, event.question_id][event.event_type] += 1

    mart = []
    for question_id, session_ids in viewed.items():
        of_session = {session_id: types[session_id, question_id] for session_id in session_ids}
        answered = {session_id for session_id, seen in of_session.items() if any(seen[name] for name in ANSWERS)}
        changed = {session_id for session_id, seen in of_session.items() if seen["ANSWER_CHANGED"]}
        marked = [session_id for session_id, seen in of_session.items() if seen["MARK_FOR_REVIEW_TOGGLED"] % 2]
        mart.append(
            {
                "question_id": question_id,
                "sessions_viewed": len(session_ids),
                "answered_rate": ratio(len(answered), len(session_ids)),
                "change_rate": ratio(len(changed), len(answered)),
                "review_mark_rate": ratio(len(marked), len(session_ids)),
                "median_visible_seconds": median(times[question_id]),
                "skip_rate": ratio(len((session_ids & submitted) - answered), len(session_ids & submitted)),
            }
        )
    return mart
