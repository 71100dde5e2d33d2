"""A night that is killed loses nothing: at eight places here, and at a hundred in `make soak`."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.soak.kills import DoomedHome

# One of each kind; the syncs come with the commits and the swap.
IN_THE_ORDER_OF_A_NIGHT = (
    ("after-commit-raw", "group"),
    ("before-commit-quarantine", "group"),
    ("before-commit-ledger", "leader"),
    ("before-model", "leader"),
    ("after-model", "group"),
    ("before-copy", "group"),
    ("before-swap", "leader"),
    ("after-swap", "group"),
)


@pytest.mark.found("a soak")
def test_a_night_that_is_killed_again_and_again(tmp_path: Path) -> None:
    """The dbt of a night whose first process was killed lived on, and the next night failed with a lock error.

    One kill after the other, at boundaries that come later and later; then the night is run to its end.
    """
    kills = len(IN_THE_ORDER_OF_A_NIGHT)
    found = DoomedHome(tmp_path, seed=2).nights(kills, itertools.cycle(IN_THE_ORDER_OF_A_NIGHT), of_a_night=kills)
    assert found.faults == []
    assert found.killed.total() == kills and found.nights == 2
    assert found.opened > 10 and found.states >= 2
