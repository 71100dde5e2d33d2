"""Nights that are killed: at each kind of write boundary and at random instants, by SIGKILL, and then run again.

What belongs here: one home whose nights are killed, its reader, and what must hold after each. What does not: where the
boundaries are (`boundaries/sitecustomize.py`), and what a mart must say (`tests/reference`).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from tests.integration.warehouse import Warehouse
from tests.reference import build, compare
from tests.reference.histories import history
from tests.soak.reader import Reader, State

CHECKOUT = Path(__file__).resolve().parents[2]
BOUNDARIES = tuple(
    f"{side}-{what}"
    for what in ("commit-raw", "commit-quarantine", "commit-ledger", "model", "copy", "fsync", "swap")
    for side in ("before", "after")
)
INSTANT = "random instant"
Place = tuple[str, str]  # a boundary or an instant, and who dies: the `group` of a night's processes, or its `leader`
_LONGEST_NIGHT = 900.0  # seconds; one that takes longer hangs


@dataclass
class Kills:
    """What came of one home's nights."""

    killed: Counter[str] = field(default_factory=Counter)  # by where
    missed: int = 0  # the night was over before its time came
    nights: int = 0  # that were run to their end and compared
    opened: int = 0  # by the reader
    states: int = 0  # different ones that it saw
    faults: list[str] = field(default_factory=list)

    def add(self, other: Kills) -> None:
        """Add what came of another home."""
        self.killed += other.killed
        self.missed += other.missed
        self.nights += other.nights
        self.opened += other.opened
        self.states += other.states
        self.faults += other.faults


class DoomedHome:
    """A home with a random history, whose nights are killed before each is run to its end."""

    def __init__(self, root: Path, seed: int, learners: int = 6) -> None:
        """Prepare the home; the first night is not killed: it tells how often each boundary is crossed."""
        self.rng = random.Random(seed)
        self.seed = seed
        self.warehouse = Warehouse(root / "home", target=root / "target")
        self.home = self.warehouse.home
        self.root = root
        self.counts = root  # a folder of each night: what an earlier one has left behind may be counting still
        self.world = history(seed, nights=10_000, snapshots=True, learners=learners)
        self.seconds = 0.0  # of the last night that ran to its end
        self.crossed: Counter[str] = Counter()  # by boundary, in that night
        self.found = Kills()
        self.warehouse.promote(self.world.champion())

    def nights(
        self, wanted: int, places: Iterator[Place], of_a_night: int | None = None, tell: Callable[[str], None] = print
    ) -> Kills:
        """Kill `wanted` times, each at the next of the places, and see after each night that nothing is lost.

        A night is killed `of_a_night` times before it may end; by default one to three times.
        """
        before: State | None = None
        for night in self.world:
            night.write(self.home.landing)
            with Reader(self.home) as reader:
                story = []
                if before is not None:
                    kills = min(of_a_night or self.rng.choice((1, 1, 2, 3)), wanted - self.found.killed.total())
                    for _ in range(kills):
                        told, was_killed = self._kill(*next(places), kills)
                        story.append(told)
                        if not was_killed:  # it came to its end: there is nothing left to load
                            break
                self._run_to_its_end(story)
            # Not before the reader has stopped: as long as it holds an old file open, this process sees no newer one.
            after = reader.look()
            told = f"night {night.index}, {', '.join(story) or 'not killed'}"
            tell(f"{self.found.killed.total()} of {wanted} kills; {told}")
            context = f"seed {self.seed}, {told}"
            self.found.nights += 1
            self.found.opened += reader.opened
            self.found.states += len(reader.states)
            self.found.faults += [f"{context}: a reader: {fault}" for fault in reader.faults]
            for state in reader.states - {before, after} if before is not None else ():
                where = sorted(mart for mart, *_ in (state - after) - before) or "a mixture of both"
                self.found.faults.append(
                    f"{context}: a reader saw a state that is neither the old nor the new one: {where}"
                )
            self._compare(context, build(night.rows(), night.loads(), model=self.world.champion()))
            before = after
            if self.found.killed.total() >= wanted or self.found.missed > wanted:
                break
        return self.found

    def _kill(self, place: str, whom: str, kills: int) -> tuple[str, bool]:
        """Start a night, of which so many are to be killed, and kill it; says where, and whether it came to that."""
        if place == INSTANT:
            at = self.rng.uniform(0, self.seconds)
            night = self._start()
            try:
                output, _ = night.communicate(timeout=at)
                if night.returncode:
                    self.found.faults.append(f"seed {self.seed}: a night that was not killed failed:\n{output}")
            except subprocess.TimeoutExpired:
                (os.killpg if whom == "group" else os.kill)(night.pid, signal.SIGKILL)
            told = f"{place} {at:.1f} s of {self.seconds:.0f}"
        else:
            # What was committed to the lake is not committed again: each kill leaves some for the next.
            leave = 2 * kills if "commit" in place and kills > 1 else 1
            nth = self.rng.randint(1, max(1, self.crossed[place] // leave))
            night = self._start({"DAYBOOK_SOAK_KILL": f"{place} {nth}", "DAYBOOK_SOAK_WHOM": whom})
            told = f"{place} {nth}"
        was_killed = night.wait(timeout=_LONGEST_NIGHT) == -signal.SIGKILL
        if was_killed:
            self.found.killed[place] += 1
        else:
            self.found.missed += 1
        return f"{told} of the {whom}{'' if was_killed else ' (missed)'}", was_killed

    def _run_to_its_end(self, story: list[str]) -> None:
        began = time.monotonic()
        night = self._start()
        output, _ = night.communicate(timeout=_LONGEST_NIGHT)
        if night.returncode:
            self.found.faults.append(f"seed {self.seed}, after {', '.join(story)}: the night failed:\n{output}")
        if not story:
            self.seconds = time.monotonic() - began
            self.crossed = Counter({path.name: path.stat().st_size for path in self.counts.iterdir()})

    def _start(self, doom: dict[str, str] | None = None) -> subprocess.Popen[str]:
        self.counts = Path(mkdtemp(prefix="counts-", dir=self.root))
        path = [str(CHECKOUT / "tests" / "soak" / "boundaries"), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "DAYBOOK_HOME": str(self.home.root),
            "DAYBOOK_SOAK_COUNTS": str(self.counts),
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            **(doom or {}),
        }
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration", "nightly"],
            cwd=CHECKOUT,
            env=environment,
            stdout=subprocess.DEVNULL if doom else subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _compare(self, context: str, expected: dict[str, list[dict[str, object]]]) -> None:
        for mart, rows in expected.items():
            differences = compare(mart, rows, self.warehouse.mart(mart))
            self.found.faults += [f"{context}: {difference}" for difference in differences[:5]]


def every_boundary(seed: int) -> Iterator[Place]:
    """Where and whom to kill, without an end: every boundary and as many random instants, in a random order."""
    rng = random.Random(seed)
    while True:
        places = [*BOUNDARIES, *[INSTANT] * len(BOUNDARIES)]
        rng.shuffle(places)
        yield from ((place, rng.choice(("group", "group", "leader"))) for place in places)
