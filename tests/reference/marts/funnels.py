"""Funnels: one mechanism, many declarations.

What belongs here: attempts, their scopes, and what is counted of them. What does not: events (`reading.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from tests.reference.marts.common import HOUR, Mart, median, ratio, seconds
from tests.reference.reading import Accepted, RecommendationEvent

MOST_STEPS = 8

COLUMNS: dict[str, tuple[str, ...]] = {
    "funnel_attempts": (
        "funnel",
        "entity",
        "attempt",
        "opened_event_id",
        "opened_at",
        "date",
        "closes_at",
        *(f"step_{number}_at" for number in range(1, MOST_STEPS + 1)),
        "steps_reached",
        "outcome",
        "seconds_to_complete",
        "collapsed_events",
    ),
    "funnel_daily": (
        "funnel",
        "date",
        "step",
        "event_type",
        "events",
        "attempts",
        "entities",
        "conversion_from_previous",
        "conversion_from_first",
        "entity_conversion_from_first",
        "median_seconds_from_previous",
        "unattributed_events",
    ),
    "recommendation_funnel": (
        "recommendation_id",
        "date",
        "impressions",
        "taps",
        "children_shown",
        "children_tapped",
        "click_through_rate",
        "child_tap_rate",
        "starts",
        "completions",
        "abandons",
        "start_rate",
        "completion_rate",
        "collapsed_events",
    ),
}
KEYS: dict[str, tuple[str, ...]] = {
    "funnel_attempts": ("funnel", "entity", "attempt"),
    "funnel_daily": ("funnel", "date", "step"),
    "recommendation_funnel": ("recommendation_id", "date"),
}


@dataclass(frozen=True)
class Funnel:
    """The declaration of a funnel."""

    name: str
    system: str
    steps: tuple[str, ...]
    window: timedelta
    entity: tuple[str, ...]  # the names of its parts
    exclusions: tuple[str, ...] = ()


RECOMMENDATION = Funnel(
    "recommendation",
    "recommendation",
    ("tap", "start", "complete"),
    24 * HOUR,
    ("child_id", "recommendation_id"),
    ("abandon",),
)
SHIPPED = (
    RECOMMENDATION,
    Funnel(
        "test_session",
        "assessment",
        ("SESSION_CREATED", "QUESTION_VIEWED", "ANSWER_SELECTED", "SESSION_SUBMITTED"),
        168 * HOUR,
        ("session_id",),
        ("SESSION_EXPIRED",),
    ),
    Funnel("review", "assessment", ("SESSION_SUBMITTED", "REVIEW_OPENED"), 168 * HOUR, ("session_id",)),
    Funnel("quiz", "study", ("quiz_start", "quiz_complete"), 24 * HOUR, ("user_id", "quiz_id")),
    Funnel(
        "material",
        "study",
        ("material_open", "material_read", "material_complete"),
        168 * HOUR,
        ("user_id", "material_id"),
    ),
    Funnel("question", "study", ("question_view", "question_submit"), HOUR, ("user_id", "question_id")),
    Funnel("hint", "study", ("ai_hint_requested", "question_submit"), HOUR, ("user_id", "question_id")),
    Funnel("draft", "collaboration", ("DraftCreated", "SegmentAdded", "DraftPublished"), 720 * HOUR, ("draft_id",)),
)


@dataclass(frozen=True)
class Attempt:
    """One attempt of an entity at a funnel; `scope` holds the events of it, in time order, whether reached or not."""

    funnel: Funnel
    entity: tuple[str, ...]
    number: int
    opening: Any
    next_opened_at: datetime | None
    scope: tuple[Any, ...]

    @property
    def opened_at(self) -> datetime:
        return self.opening.ts  # type: ignore[no-any-return]

    @cached_property
    def excluded_at(self) -> datetime | None:
        """The earliest exclusion in scope."""
        return next((event.ts for event in self.scope if event.event_type in self.funnel.exclusions), None)

    @cached_property
    def reached(self) -> tuple[datetime, ...]:
        """When each step was reached, up to the last one that was."""
        moments = [self.opened_at]
        for step in self.funnel.steps[1:]:
            moment = next((e.ts for e in self.scope if e.event_type == step and e.ts >= moments[-1]), None)
            if moment is None or (self.excluded_at is not None and moment > self.excluded_at):
                break
            moments.append(moment)
        return tuple(moments)

    @property
    def is_completed(self) -> bool:
        return len(self.reached) == len(self.funnel.steps)

    def outcome(self, as_of: datetime) -> str:
        if self.is_completed:
            return "completed"
        if self.excluded_at is not None:
            return "abandoned"
        if self.next_opened_at is not None or as_of > self.opened_at + self.funnel.window:
            return "dropped"
        return "open"


def part(event: Any, name: str) -> str | None:
    """A part of an entity: what staging has in a column of that name."""
    for payload in ("properties", "data", "payload"):
        if not hasattr(event, name) and hasattr(event, payload):
            return getattr(event, payload).get(name)  # type: ignore[no-any-return]
    return getattr(event, name)  # type: ignore[no-any-return]


def events_by_entity(accepted: Accepted, funnel: Funnel) -> dict[tuple[str, ...], list[Any]]:
    """The funnel's events in time order by entity; one with a null in it takes no part."""
    groups: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for event in accepted.events_of(funnel.system):
        if event.event_type in (*funnel.steps, *funnel.exclusions):
            entity = tuple(part(event, name) for name in funnel.entity)
            if None not in entity:
                groups[entity].append(event)  # type: ignore[index]
    for group in groups.values():
        group.sort(key=lambda event: event.order)
    return groups


def attempts_of(funnel: Funnel, groups: dict[tuple[str, ...], list[Any]]) -> list[Attempt]:
    """The attempts of every entity."""
    attempts = []
    for entity, group in groups.items():
        openings = [event for event in group if event.event_type == funnel.steps[0]]
        for index, opening in enumerate(openings):
            following = openings[index + 1].ts if index + 1 < len(openings) else None
            scope = tuple(
                event
                for event in group
                if opening.ts <= event.ts <= opening.ts + funnel.window and (following is None or event.ts < following)
            )
            attempts.append(Attempt(funnel, entity, index + 1, opening, following, scope))
    return attempts


def entity_text(entity: tuple[str, ...]) -> str:
    """The parts as one text that no other entity has."""
    return "|".join(text.replace("%", "%25").replace("|", "%7C") for text in entity)


def collapsed(events: Iterable[Any]) -> int:
    return sum(isinstance(event, RecommendationEvent) and event.is_collapsed for event in events)


def funnel_attempts(accepted: Accepted, as_of: datetime, funnels: Sequence[Funnel]) -> Mart:
    """One row a (funnel, entity, attempt)."""
    mart = []
    for funnel in funnels:
        for attempt in attempts_of(funnel, events_by_entity(accepted, funnel)):
            reached = attempt.reached
            moments = [*reached, *[None] * (MOST_STEPS - len(reached))]
            mart.append(
                {
                    "funnel": funnel.name,
                    "entity": entity_text(attempt.entity),
                    "attempt": attempt.number,
                    "opened_event_id": attempt.opening.event_id,
                    "opened_at": attempt.opened_at,
                    "date": attempt.opened_at.date(),
                    "closes_at": attempt.opened_at + funnel.window,
                    **{f"step_{number}_at": moment for number, moment in enumerate(moments, start=1)},
                    "steps_reached": len(reached),
                    "outcome": attempt.outcome(as_of),
                    "seconds_to_complete": (seconds(reached[-1] - attempt.opened_at) if attempt.is_completed else None),
                    "collapsed_events": collapsed(attempt.scope),
                }
            )
    return mart


def funnel_daily(accepted: Accepted, funnels: Sequence[Funnel]) -> Mart:
    """One row a (funnel, date opened, step): every step of each date with an attempt."""
    mart = []
    for funnel in funnels:
        groups = events_by_entity(accepted, funnel)
        attempts = attempts_of(funnel, groups)
        in_scope = {id(event) for attempt in attempts for event in attempt.scope}
        stray = [event for group in groups.values() for event in group if id(event) not in in_scope]
        for day in {attempt.opened_at.date() for attempt in attempts}:
            of_day = [attempt for attempt in attempts if attempt.opened_at.date() == day]
            mart += [funnel_step(funnel, day, number, of_day, stray) for number in range(1, len(funnel.steps) + 1)]
    return mart


def funnel_step(funnel: Funnel, day: date, number: int, attempts: list[Attempt], stray: list[Any]) -> dict[str, Any]:
    """The row of one step of the attempts opened on a date."""
    event_type = funnel.steps[number - 1]
    at_step = [attempt for attempt in attempts if len(attempt.reached) >= number]
    before = [attempt for attempt in attempts if len(attempt.reached) >= number - 1]
    entities, all_entities = ({attempt.entity for attempt in some} for some in (at_step, attempts))
    spans = [seconds(attempt.reached[number - 1] - attempt.reached[number - 2]) for attempt in at_step]
    return {
        "funnel": funnel.name,
        "date": day,
        "step": number,
        "event_type": event_type,
        "events": sum(event.event_type == event_type for attempt in attempts for event in attempt.scope),
        "attempts": len(at_step),
        "entities": len(entities),
        "conversion_from_previous": None if number == 1 else ratio(len(at_step), len(before)),
        "conversion_from_first": ratio(len(at_step), len(attempts)),
        "entity_conversion_from_first": ratio(len(entities), len(all_entities)),
        "median_seconds_from_previous": None if number == 1 else median(spans),
        "unattributed_events": sum(event.event_type == event_type and event.ts.date() == day for event in stray),
    }


def recommendation_funnel(accepted: Accepted, as_of: datetime) -> Mart:
    """One row a (recommendation, event date) with any event."""
    groups: dict[tuple[str, date], list[RecommendationEvent]] = defaultdict(list)
    for event in accepted.recommendation:
        groups[event.recommendation_id, event.ts.date()].append(event)
    opened: dict[tuple[str, date], list[Attempt]] = defaultdict(list)
    for attempt in attempts_of(RECOMMENDATION, events_by_entity(accepted, RECOMMENDATION)):
        opened[attempt.opening.recommendation_id, attempt.opened_at.date()].append(attempt)
    mart = []
    for (recommendation_id, day), group in groups.items():
        shown = [event for event in group if event.event_type == "impression"]
        taps = [event for event in group if event.event_type == "tap"]
        children_shown, children_tapped = (len({event.child_id for event in some}) for some in (shown, taps))
        attempts = opened.get((recommendation_id, day), [])
        starts = sum(len(attempt.reached) >= 2 for attempt in attempts)
        outcomes = [attempt.outcome(as_of) for attempt in attempts]
        mart.append(
            {
                "recommendation_id": recommendation_id,
                "date": day,
                "impressions": len(shown),
                "taps": len(taps),
                "children_shown": children_shown,
                "children_tapped": children_tapped,
                "click_through_rate": ratio(len(taps), len(shown)),
                "child_tap_rate": ratio(children_tapped, children_shown),
                "starts": starts,
                "completions": outcomes.count("completed"),
                "abandons": outcomes.count("abandoned"),
                "start_rate": ratio(starts, len(taps)),
                "completion_rate": ratio(outcomes.count("completed"), starts),
                "collapsed_events": collapsed(group),
            }
        )
    return mart
