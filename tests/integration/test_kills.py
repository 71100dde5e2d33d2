"""A night that is killed loses nothing: at a dozen places here, and at a hundred in `make soak`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soak.kills import BOUNDARIES, DoomedHome


def test_a_night_that_is_killed_a_dozen_times(tmp_path: Path) -> None:
    """One after the other, at boundaries that come later and later; then it is run to its end."""
    doomed = DoomedHome(tmp_path, seed=2)
    found = doomed.nights(12, in_the_order_of_a_night(), of_a_night=12)
    assert found.faults == []
    assert found.killed.total() >= 12 and found.nights == 2
    assert found.opened > 10 and found.states >= 2


@pytest.mark.found("a soak")
def test_a_night_waits_for_what_a_killed_one_has_left_behind(tmp_path: Path) -> None:
    """The dbt of a night whose first process was killed lived on, and the next night failed with a lock error."""
    doomed = DoomedHome(tmp_path, seed=5, whom="leader")
    found = doomed.nights(1, iter(["before-model"]), of_a_night=1)
    assert found.faults == []
    assert found.killed.total() == 1 and found.nights == 2


def in_the_order_of_a_night() -> Iterator[str]:
    """Each boundary but the syncs, which come with the commits and the swap."""
    return itertools.cycle(place for place in BOUNDARIES if "fsync" not in place)
