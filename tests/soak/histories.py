"""Random histories through the whole warehouse: night by night, and the same events dealt out in other ways.

What belongs here: what is built and what must be equal. What does not: the histories and deals themselves, and what
each mart must say (`tests/reference`).
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tests.integration.warehouse import Warehouse
from tests.reference import build, compare
from tests.reference.deals import ABOUT_LOADING, deal, hand
from tests.reference.histories import FIRST_DATE, history, write_file

# Where calendars have their edges: a leap day, the end of a year with and without a 53rd ISO week, the days on which
# clocks change, and a time far away.
CALENDAR = (
    FIRST_DATE,
    date(2024, 2, 26),
    date(2026, 12, 26),
    date(2024, 12, 28),
    date(2026, 3, 27),
    date(2026, 10, 23),
    date(2189, 12, 26),
)


@dataclass
class Trials:
    """What was tried, and what was found to differ."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def add(self, other: Trials) -> None:
        """Add what another process has tried."""
        self.counts += other.counts
        self.faults += other.faults


def night_by_night(root: Path, seed: int, nights: int | None = None) -> Trials:
    """After each night of a history, every mart is what the reference says and what a rebuild gives.

    No test of the data fails in the end: what can come is no reason to stop a night.
    """
    rng = random.Random(seed)
    first_date = CALENDAR[seed % len(CALENDAR)]
    learners = rng.choice((3, 5, 16))
    world = history(seed, nights or rng.randint(3, 6), snapshots=True, learners=learners, first_date=first_date)
    warehouse = Warehouse(root / "nightly", target=root / "target")
    warehouse.promote(world.champion())
    found = Trials(Counter(histories=1))
    for night in world:
        night.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build()
        context = f"history {seed}, night {night.index} ({'; '.join(night.story)})"
        rows = night.rows()
        expected = build(rows, night.loads(), model=world.champion())
        for mart, wanted in expected.items():
            found.faults += [f"{context}: {line}" for line in compare(mart, wanted, warehouse.mart(mart))[:5]]
        try:
            warehouse.assert_equals_rebuild(context)
        except AssertionError as error:
            found.faults.append(str(error)[:500])
        found.counts += Counter({"nights": 1, "rebuilds": 1, "night marts": len(expected), "night rows": len(rows)})
    try:
        warehouse.dbt("test", "--select", "test_type:data")
    except AssertionError as error:
        found.faults.append(f"{context}: {error}"[:500])
    return found


def dealt(root: Path, seed: int, deals: int = 2) -> Trials:
    """However a hand of events is dealt and in whatever order it is loaded, the marts are the same."""
    rng = random.Random(seed)
    world = history(
        seed, nights=100, rejects=False, learners=rng.choice((3, 5)), first_date=CALENDAR[seed % len(CALENDAR)]
    )
    drawn = hand(world, nights=rng.randint(2, 4))
    champion = world.champion()
    found = Trials(Counter(hands=1))
    first = None
    for number in range(deals):
        dealing = deal(drawn, rng)
        warehouse = Warehouse(root / f"deal-{number}", target=root / "target")
        warehouse.promote(champion)
        loaded: set[date] = set()
        for night in dealing.nights:
            for name, lines in dealing.files.items():
                if name.extract_date in night and name.extract_date not in loaded:
                    write_file(warehouse.home.landing, name, lines, 0)
            for day in night:  # one by one, in the order of the deal
                if day in loaded:
                    warehouse.load_again(day)
                else:
                    warehouse.load(day, day)
                loaded.add(day)
            warehouse.build()
            found.counts["builds"] += 1
        context = f"hand {seed}, deal {number}, loaded {dealing.nights}"
        expected = build(dealing.rows(), dealing.loads(), model=champion)
        for mart, wanted in expected.items():
            found.faults += [f"{context}: {line}" for line in compare(mart, wanted, warehouse.mart(mart))[:5]]
        contents = {mart: warehouse.contents(mart) for mart in warehouse.marts() if mart not in ABOUT_LOADING}
        first = first or contents
        found.faults += [
            f"{context}: {mart} differs from the first deal's" for mart in first if first[mart] != contents[mart]
        ]
        found.counts += Counter(
            {"deals": 1, "files": len(dealing.files), "dealt rows": len(dealing.rows()), "dealt marts": len(contents)}
        )
    return found
