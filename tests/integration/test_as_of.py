"""As-of can be set: earlier, later, within a day. Only what looks back from it changes."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path

from tests.integration.warehouse import Warehouse
from tests.reference import assert_same, build
from tests.reference.histories import history

# What a mart says as of as-of. All others say the same whatever it is.
LOOKS_BACK = {
    "study_sessions",
    "weekly_user_stats",
    "user_learning_metrics",
    "user_gamification",
    "funnel_attempts",
    "test_sessions",
    "collaborator_analytics",
    "leaderboard",
    "topic_mastery",
    "knowledge_gaps",
    "mart_as_of",
    "mart_catalog",
}


def test_as_of_within_a_day_long_ago_and_far_ahead(tmp_path: Path) -> None:
    """Between two dates, at a time of day; forty days ahead, when all is over; and back again."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    world = history(5, nights=4, learners=6)
    warehouse.promote(world.champion())
    for night in world:
        night.write(warehouse.home.landing)
    warehouse.load()
    warehouse.build()
    before = {mart: warehouse.contents(mart) for mart in warehouse.marts()}
    newest = max(load.extract_date for load in night.loads())

    changed = set()
    for days, at in ((-1, time(13, 30)), (1, time(0, 0, 0, 1)), (40, time())):
        as_of = datetime.combine(newest + timedelta(days=days), at)
        warehouse.build(as_of=as_of)
        for mart, expected in build(night.rows(), night.loads(), as_of=as_of, model=world.champion()).items():
            assert_same(mart, expected, warehouse.mart(mart), context=f"as of {as_of}")
        changed |= {mart for mart in before if warehouse.contents(mart) != before[mart]}
    assert changed <= LOOKS_BACK
    assert changed >= {
        "leaderboard",
        "user_learning_metrics",
        "weekly_user_stats",
        "funnel_attempts",
        "topic_mastery",
        "knowledge_gaps",
    }

    warehouse.build()
    assert {mart for mart in before if warehouse.contents(mart) != before[mart]} == set()
