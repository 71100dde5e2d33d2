"""`make soak`: the long proof by random histories, kills and hostile files; then the page of what was seen.

What belongs here: what is tried how often, and its progress. What does not: the trials themselves.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

from tests.hostile.run import Outcome
from tests.soak.histories import Trials, dealt, night_by_night
from tests.soak.jobs import KILLS_OF_A_HOME, hostile, in_a_folder, killed
from tests.soak.kills import Kills
from tests.soak.report import PAGE, page

FOLDERS_OF_A_JOB = 10  # of hostile extracts


def main() -> int:
    """Try everything, write the page, and say how it went: 0 where no fault was found."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--histories", type=int, default=14)
    parser.add_argument("--hands", type=int, default=14)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--hostile", type=int, default=200)
    parser.add_argument(
        "--seed", type=int, default=1, help="the first seed; others are other histories, kills and files"
    )
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    seeds = itertools.count(chosen.seed)

    jobs: list[tuple[Any, ...]] = []
    left = chosen.kills
    while left > 0:
        jobs.append((killed, next(seeds), min(left, KILLS_OF_A_HOME)))
        left -= KILLS_OF_A_HOME
    for first in range(0, chosen.hostile, FOLDERS_OF_A_JOB):
        jobs.append((hostile, chosen.seed + first, min(FOLDERS_OF_A_JOB, chosen.hostile - first)))
    jobs += [(night_by_night, chosen.seed + n) for n in range(chosen.histories)]
    jobs += [(dealt, chosen.seed + n) for n in range(chosen.hands)]

    began = time.monotonic()
    trials, kills, extracts = Trials(), Kills(), Outcome()
    with ProcessPoolExecutor(chosen.workers, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        under_way = {pool.submit(in_a_folder, *job): job for job in jobs}
        for done, future in enumerate(as_completed(under_way), start=1):
            trial, seed, *_ = under_way[future]
            try:
                outcome = future.result()
            except Exception as error:
                outcome = Trials(faults=[f"{trial.__name__} {seed}: {type(error).__name__}: {error}"])
            for total in (trials, kills, extracts):
                if isinstance(outcome, type(total)):
                    total.add(outcome)
            told = f"{len(outcome.faults)} faults" if outcome.faults else "no fault"
            print(
                f"{done} of {len(jobs)}, {(time.monotonic() - began) / 60:.0f} min: {trial.__name__} {seed}: {told}",
                flush=True,
            )
            for fault in outcome.faults[:20]:
                print(f"    {fault}", flush=True)
    PAGE.write_text(
        page(trials, kills, extracts, time.monotonic() - began, " ".join(["make soak", *sys.argv[1:]]), chosen.workers)
    )
    print(f"wrote {PAGE}")
    return 1 if trials.faults or kills.faults or extracts.faults else 0


if __name__ == "__main__":
    sys.exit(main())
