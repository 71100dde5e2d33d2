"""The marts from accepted events: `marts.md` in Python, a module a domain.

What belongs here: which marts there are, with the specification's column names in its order.
What does not: verdicts on rows (`tests/reference/reading.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from tests.reference.marts import (
    assessment,
    collaboration,
    learners,
    mastery,
    operations,
    questions,
    study,
    textbook,
)
from tests.reference.marts import funnels as funnel_marts
from tests.reference.marts.common import DAY, Mart, check_columns, midnight
from tests.reference.marts.funnels import SHIPPED, Funnel
from tests.reference.marts.mastery import Model
from tests.reference.reading import Load, Row, read

_DOMAINS = (study, learners, questions, mastery, funnel_marts, assessment, collaboration, textbook, operations)
COLUMNS = {mart: columns for domain in _DOMAINS for mart, columns in domain.COLUMNS.items()}
NO_MODEL = Model()
KEYS = {mart: key for domain in _DOMAINS for mart, key in domain.KEYS.items()}

__all__ = ["COLUMNS", "KEYS", "SHIPPED", "Funnel", "Mart", "Model", "build"]


def build(
    rows: Iterable[Row],
    loads: Iterable[Load],
    as_of: datetime | None = None,
    funnels: Sequence[Funnel] = SHIPPED,
    model: Model = NO_MODEL,
) -> dict[str, Mart]:
    """All marts of the rows in the extracts.

    Args:
        rows: Every row of every extract.
        loads: Every extract, empty ones included.
        as_of: The end of the newest loaded extract date of any system, unless given.
        funnels: The declared funnels.
        model: The mastery model that scores.
    """
    loads = list(loads)
    accepted = read(rows, loads)
    if as_of is None:
        as_of = max((midnight(load.extract_date) + DAY for load in loads), default=datetime(1970, 1, 1))
    events = accepted.study
    spells = study.study_sessions_of(events, as_of)
    sessions = study.study_sessions(spells)
    attempts = study.question_attempts(events, spells)
    daily = study.daily_user_stats(events, spells, attempts)
    topics = mastery.topic_mastery(attempts, model, as_of)
    gaps = mastery.knowledge_gaps(attempts, model, accepted.prerequisites, as_of)
    tests = assessment.test_sessions(accepted, as_of)
    visits = assessment.question_visits(accepted)
    marts = {
        "study_sessions": sessions,
        "question_attempts": attempts,
        "material_interactions": study.material_interactions(events, spells),
        "daily_user_stats": daily,
        "weekly_user_stats": study.weekly_user_stats(events, daily, as_of),
        "topics": study.topics(accepted.topics),
        "topic_daily_stats": study.topic_daily_stats(events, attempts),
        "user_learning_metrics": learners.user_learning_metrics(events, sessions, topics, gaps, as_of),
        "user_gamification": learners.user_gamification(events, as_of),
        "question_stats": questions.question_stats(attempts, accepted.question_topics, model),
        "attempt_predictions": mastery.attempt_predictions(attempts, model),
        "topic_mastery_daily": mastery.topic_mastery_daily(attempts, model),
        "topic_mastery": topics,
        "knowledge_gaps": gaps,
        "ai_coach_daily_stats": questions.ai_coach_daily_stats(events),
        "ai_model_daily_stats": questions.ai_model_daily_stats(events),
        "search_daily_stats": questions.search_daily_stats(events, spells),
        "funnel_attempts": funnel_marts.funnel_attempts(accepted, as_of, funnels),
        "funnel_daily": funnel_marts.funnel_daily(accepted, funnels),
        "recommendation_funnel": funnel_marts.recommendation_funnel(accepted, as_of),
        "test_sessions": tests,
        "question_visits": visits,
        "assessment_question_stats": assessment.assessment_question_stats(accepted, tests, visits),
        "draft_analytics": collaboration.draft_analytics(accepted.collaboration),
        "collaborator_analytics": collaboration.collaborator_analytics(accepted.collaboration, as_of),
        "leaderboard": collaboration.leaderboard(accepted.collaboration, as_of),
        "chapter_daily_stats": textbook.chapter_daily_stats(accepted.textbook),
        "ai_block_daily_stats": textbook.ai_block_daily_stats(accepted.textbook),
        "error_daily_stats": textbook.error_daily_stats(accepted.textbook),
        "event_ledger": operations.event_ledger(accepted),
        "telemetry_quality_daily": operations.telemetry_quality_daily(accepted),
    }
    for name, mart in marts.items():
        check_columns(name, mart, COLUMNS)
        mart.sort(key=lambda row, key=KEYS[name]: tuple(row[column] for column in key))  # type: ignore[misc]
    return marts
