"""As-of can be set: earlier, later, within a day. Only what looks back from it changes."""

from __future__ import annotations

import json
import re
from datetime import datetime, time, timedelta
from pathlib import Path

import pytest

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
    "knowledge_gap_spells",
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


OFFSET = "2025-01-08 13:30:00+02:00"


@pytest.mark.parametrize("as_of", [OFFSET, ""])
def test_an_as_of_with_an_offset_or_without_anything_is_refused(empty: Warehouse, as_of: str) -> None:
    """An offset was dropped in silence: 13:30+02:00 became 13:30 UTC, two hours later than it is."""
    with pytest.raises(AssertionError, match=refusal(as_of)):
        empty.dbt("run", "--select", "int_as_of", "--vars", json.dumps({"as_of": as_of}))


@pytest.mark.parametrize("as_of", [OFFSET, "2025-01-08T13:30:00Z", "2025-01-08 13:30 CET", "08.01.2025", "now"])
def test_what_is_no_plain_utc_timestamp_is_refused(empty: Warehouse, as_of: str) -> None:
    with pytest.raises(AssertionError, match=refusal(as_of)):
        empty.rendered(f"select {{{{ plain_timestamp('{as_of}') }}}}")


def test_an_as_of_may_be_a_date_or_have_a_time(empty: Warehouse) -> None:
    taken = ["2025-01-08", "2025-01-08 13:30", "2025-01-08T13:30:00", "2025-01-08 13:30:00.000001"]
    columns = [f"cast({{{{ plain_timestamp('{as_of}') }}}} as varchar) as as_of_{n}" for n, as_of in enumerate(taken)]
    [row] = empty.rendered(f"select {', '.join(columns)}")
    assert [datetime.fromisoformat(as_of) for as_of in row.values()] == [*map(datetime.fromisoformat, taken)]


def refusal(as_of: str) -> str:
    return rf"The var as_of is '{re.escape(as_of)}'. It has to be a date or a timestamp"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    root = tmp_path_factory.mktemp("empty")
    warehouse = Warehouse(root / "home", target=root / "target")
    warehouse.dbt("run", "--select", "stg_operations__loads")
    return warehouse
