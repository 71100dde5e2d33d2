"""Order, split and repetition: the same events give the same marts, however they come. See also `make soak`."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.lake import Lake
from ingestion.ledger import active_loads, withdraw
from tests.integration.warehouse import Warehouse
from tests.reference import assert_same, build
from tests.reference.deals import ABOUT_LOADING, deal, hand
from tests.reference.histories import history
from tests.soak.histories import CALENDAR, dealt, night_by_night


@given(seed=st.integers(0, 10_000), first=st.integers(), second=st.integers(), lines=st.integers(1, 500))
@settings(max_examples=15, deadline=None)
def test_the_reference_itself_knows_no_order(seed: int, first: int, second: int, lines: int) -> None:
    """Else it could not tell whether the warehouse does."""
    world = history(seed, nights=100, rejects=False, learners=4, first_date=CALENDAR[seed % len(CALENDAR)])
    drawn = hand(world, nights=2)
    drawn = replace(drawn, lines=drawn.lines[:lines])
    deals = [deal(drawn, random.Random(chance)) for chance in (first, second)]
    one, other = (build(dealing.rows(), dealing.loads(), model=world.champion()) for dealing in deals)
    assert not any(row["rows_conflict"] for row in one["event_ledger"])
    for mart in one.keys() - ABOUT_LOADING:
        assert_same(mart, one[mart], other[mart])


@pytest.mark.parametrize("seed", [8])
def test_the_same_events_in_other_files_and_another_order(seed: int, tmp_path: Path) -> None:
    found = dealt(tmp_path, seed)
    assert found.counts["deals"] == 2
    assert found.faults == []


@pytest.mark.parametrize("seed", [8, 16])
def test_nights_at_the_edges_of_the_calendar(seed: int, tmp_path: Path) -> None:
    """A leap day, and the end of a year that has a 53rd ISO week."""
    found = night_by_night(tmp_path, seed, nights=2)
    assert found.counts["nights"] == 2
    assert found.faults == []


def test_a_date_that_is_withdrawn_was_never_there(tmp_path: Path) -> None:
    """The oldest one, whose duplicates are first copies then, and also the newest one, with which as-of goes back."""
    world = history(8, nights=4, snapshots=True, learners=3)
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    warehouse.promote(world.champion())
    for night in world:
        night.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build()
    oldest, *_, newest = sorted({load.extract_date for load in night.loads()})
    as_of = warehouse.mart("mart_as_of")
    gone: set[date] = set()
    for day in (oldest, newest):
        gone.add(day)
        for load in active_loads(warehouse.home).values():
            if load.extract_date == day:
                withdraw(Lake(warehouse.home), load)
        warehouse.build()
        assert (warehouse.mart("mart_as_of") != as_of) == (day == newest)
        rows = [row for row in night.rows() if row.extract_date not in gone]
        loads = [load for load in night.loads() if load.extract_date not in gone]
        for mart, expected in build(rows, loads, model=world.champion()).items():
            assert_same(mart, expected, warehouse.mart(mart), context=f"{gone} withdrawn")
    warehouse.assert_equals_rebuild(f"{gone} withdrawn")
