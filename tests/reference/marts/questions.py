"""What learners' events tell of questions, of the AI coach and of the search.

What belongs here: marts of the study system that are about no learner. What does not: topics (`study.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from tests.reference.marts.common import (
    HOUR,
    MINUTE,
    Mart,
    cut_and_capped,
    grain_text,
    median,
    percentile,
    ratio,
    round9,
)
from tests.reference.marts.mastery import Model
from tests.reference.marts.study import Session, count, is_correct, session_by_event
from tests.reference.reading import StudyEvent, decimal6

COLUMNS: dict[str, tuple[str, ...]] = {
    "question_stats": (
        "question_id",
        "topic_id",
        "attempts",
        "first_attempts",
        "p_correct_first",
        "discrimination",
        "median_time_to_answer_seconds",
        "hint_rate",
        "model_difficulty",
    ),
    "ai_coach_daily_stats": (
        "date",
        "questions",
        "responses",
        "median_response_time_ms",
        "p95_response_time_ms",
        "tokens_used",
        "positive_feedback",
        "negative_feedback",
        "hints_requested",
        "hint_then_correct_rate",
    ),
    "ai_model_daily_stats": ("date", "model_used", "responses", "tokens_used", "median_response_time_ms"),
    "search_daily_stats": ("date", "search_type", "searches", "zero_result_rate", "click_through_rate"),
}
KEYS: dict[str, tuple[str, ...]] = {
    "question_stats": ("question_id",),
    "ai_coach_daily_stats": ("date",),
    "ai_model_daily_stats": ("date", "model_used"),
    "search_daily_stats": ("date", "search_type"),
}

PRIOR_ATTEMPTS = 10  # how many attempts the mean of the topic weighs
LEAST_EARLIER = 5  # first attempts that a learner must have made before one that tells of discrimination
LEAST_LEARNERS = 10
CLICK_WITHIN = 5 * MINUTE
UNKNOWN = "unknown"


def pearson(pairs: Sequence[tuple[int, Fraction]]) -> Decimal | None:
    """The correlation of pairs of exact numbers, from their exact sums; null without spread."""
    n = len(pairs)
    sum_x, sum_y = sum(x for x, _ in pairs), sum(y for _, y in pairs)
    spread_x = n * sum(x * x for x, _ in pairs) - sum_x**2
    spread_y = n * sum(y * y for _, y in pairs) - sum_y**2
    if spread_x == 0 or spread_y == 0:
        return None
    with localcontext() as context:
        context.prec = 60
        together = n * sum(x * y for x, y in pairs) - sum_x * sum_y
        squared = together**2 / (spread_x * spread_y)
        root = (Decimal(squared.numerator) / Decimal(squared.denominator)).sqrt()
        return round9(root if together >= 0 else -root)


def earlier_shares(attempts: Mart) -> dict[str, Fraction]:
    """By attempt id of a first attempt: the share correct of that learner's earlier ones, where they are enough.

    The attempts come in time order.
    """
    made: dict[str, int] = defaultdict(int)
    correct: dict[str, int] = defaultdict(int)
    shares = {}
    for row in attempts:
        if row["is_first_attempt"]:
            user_id = row["user_id"]
            if made[user_id] >= LEAST_EARLIER:
                shares[row["attempt_id"]] = Fraction(correct[user_id], made[user_id])
            made[user_id] += 1
            correct[user_id] += row["is_correct"]
    return shares


def question_stats(attempts: Mart, question_topics: dict[str, str | None], model: Model) -> Mart:
    """One row a question with an attempt."""
    attempts = sorted(attempts, key=lambda row: (row["attempted_at"], row["attempt_id"]))
    by_question: dict[str, Mart] = defaultdict(list)
    for row in attempts:
        by_question[row["question_id"]].append(row)
    # Reading: a question that the stream names without a topic has that of its earliest attempt.
    topic_of = {
        question_id: question_topics.get(question_id) or rows[0]["topic_id"]
        for question_id, rows in by_question.items()
    }
    on_topic: dict[str, list[bool]] = defaultdict(list)
    for row in attempts:
        if row["is_first_attempt"]:
            on_topic[topic_of[row["question_id"]]].append(row["is_correct"])
    shares = earlier_shares(attempts)

    mart = []
    for question_id, rows in by_question.items():
        topic_id = topic_of[question_id]
        firsts = [row for row in rows if row["is_first_attempt"]]
        mean = Fraction(sum(on_topic[topic_id]), len(on_topic[topic_id]))
        correct = sum(row["is_correct"] for row in firsts)
        pairs = [(int(row["is_correct"]), shares[row["attempt_id"]]) for row in firsts if row["attempt_id"] in shares]
        times = [row["time_to_answer_seconds"] for row in rows if row["time_to_answer_seconds"] is not None]
        mart.append(
            {
                "question_id": question_id,
                "topic_id": topic_id,
                "attempts": len(rows),
                "first_attempts": len(firsts),
                "p_correct_first": ratio(correct + PRIOR_ATTEMPTS * mean, len(firsts) + PRIOR_ATTEMPTS),
                "discrimination": pearson(pairs) if len(pairs) >= LEAST_LEARNERS else None,
                "median_time_to_answer_seconds": median(cut_and_capped(time) for time in times),
                "hint_rate": ratio(sum(row["hint_used"] for row in rows), len(rows)),
                # Reading: nothing where the model does not know the question, and not what stands for it.
                "model_difficulty": model.questions[question_id].difficulty if question_id in model.questions else None,
            }
        )
    return mart


def stated_numbers(events: Iterable[StudyEvent], name: str) -> list[Decimal]:
    numbers = (decimal6(event.properties.get(name)) for event in events)
    return [number for number in numbers if number is not None]


def tokens(responses: list[StudyEvent]) -> int:
    return sum(event.properties.get("tokens_used") or 0 for event in responses)


def is_followed(event: StudyEvent, followers: Iterable[StudyEvent], within: timedelta) -> bool:
    """Whether one of the others comes later in order, and at most so long after."""
    return any(other.order > event.order and other.ts - event.ts <= within for other in followers)


def by_date(events: Iterable[StudyEvent]) -> dict[date, list[StudyEvent]]:
    groups: dict[date, list[StudyEvent]] = defaultdict(list)
    for event in events:
        groups[event.ts.date()].append(event)
    return groups


def ai_coach_daily_stats(events: list[StudyEvent]) -> Mart:
    """One row a date with any `ai_*` event."""
    right = [event for event in events if is_correct(event)]
    mart = []
    for day, group in by_date(event for event in events if event.event_type.startswith("ai_")).items():
        responses = [event for event in group if event.event_type == "ai_response_received"]
        times = stated_numbers(responses, "response_time_ms")
        hints = [event for event in group if event.event_type == "ai_hint_requested"]
        helped = [
            hint
            for hint in hints
            if is_followed(
                hint,
                (e for e in right if (e.user_id, e.question_id) == (hint.user_id, hint.question_id)),
                HOUR,
            )
        ]
        mart.append(
            {
                "date": day,
                "questions": count(group, "ai_question_asked"),
                "responses": len(responses),
                "median_response_time_ms": median(times),
                "p95_response_time_ms": percentile(times, 95),
                "tokens_used": tokens(responses),
                "positive_feedback": count(group, "ai_feedback_positive"),
                "negative_feedback": count(group, "ai_feedback_negative"),
                "hints_requested": len(hints),
                "hint_then_correct_rate": ratio(len(helped), len(hints)),
            }
        )
    return mart


def ai_model_daily_stats(events: list[StudyEvent]) -> Mart:
    """One row a (date, model) with a response."""
    groups: dict[tuple[date, str], list[StudyEvent]] = defaultdict(list)
    for event in events:
        if event.event_type == "ai_response_received":
            groups[event.ts.date(), grain(event, "model_used")].append(event)
    return [
        {
            "date": day,
            "model_used": model,
            "responses": len(group),
            "tokens_used": tokens(group),
            "median_response_time_ms": median(stated_numbers(group, "response_time_ms")),
        }
        for (day, model), group in groups.items()
    ]


def grain(event: StudyEvent, name: str) -> str:
    value = grain_text(event.properties.get(name))
    return UNKNOWN if value is None else value


def search_daily_stats(events: list[StudyEvent], sessions: list[Session]) -> Mart:
    """One row a (date, search type) with a search."""
    session_of = session_by_event(sessions)
    clicks: dict[str, list[StudyEvent]] = defaultdict(list)
    for event in events:
        if event.event_type in ("topic_explored", "material_open"):
            clicks[session_of[event.event_id]].append(event)
    groups: dict[tuple[date, str], list[StudyEvent]] = defaultdict(list)
    for event in events:
        if event.event_type == "search_performed":
            groups[event.ts.date(), grain(event, "search_type")].append(event)
    return [search_row(day, search_type, group, session_of, clicks) for (day, search_type), group in groups.items()]


def search_row(
    day: date,
    search_type: str,
    searches: list[StudyEvent],
    session_of: dict[str, str],
    clicks: dict[str, list[StudyEvent]],
) -> dict[str, Any]:
    """The row of one (date, search type)."""
    counts = [
        event.properties["result_count"] for event in searches if event.properties.get("result_count") is not None
    ]
    clicked = sum(is_followed(event, clicks[session_of[event.event_id]], CLICK_WITHIN) for event in searches)
    return {
        "date": day,
        "search_type": search_type,
        "searches": len(searches),
        "zero_result_rate": ratio(counts.count(0), len(counts)),
        "click_through_rate": ratio(clicked, len(searches)),
    }
