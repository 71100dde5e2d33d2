"""`make bench`: measure what a user would care about, on this machine, in one run, and write it to `RESULTS.md`.

What belongs here: the order of the measurements, and their progress. What does not: what is measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from benchmarks.kept import Kept, OtherMeasurements, versions
from benchmarks.measurements import COMMANDS, SMOKE, NoExtractsLeft, Sizes, beside, first_load, home_of_nights, nights
from benchmarks.questions import ask
from benchmarks.report import Found, draw, page

RESULTS = Path(__file__).with_name("RESULTS.md")
# For each event. Measured on 100 million: 610 at most, while a model spills that is built over all of history; less
# when the databases and their copy are whole.
_BYTES_OF_AN_EVENT = 630


def main() -> int:
    """Measure everything, and write the page."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a few thousand events: to see that it works")
    parser.add_argument("--histories", type=int, nargs="+", help="events of history (default: 10, 30 and 100 million)")
    parser.add_argument("--first-load", type=int, help="events of the first load (default: 10 million)")
    parser.add_argument("--runs", type=int, help="that are counted of each thing (default: 3)")
    parser.add_argument(
        "--work", type=Path, help="a folder, in which a bench that was cut off goes on (default: a temporary one)"
    )
    parser.add_argument("--results", type=Path, help=f"default: {RESULTS}; of other sizes, RESULTS.md in the folder")
    chosen = parser.parse_args()
    sizes = SMOKE if chosen.smoke else Sizes()
    if chosen.histories:
        sizes = replace(sizes, histories=tuple(sorted(chosen.histories)))
    if chosen.first_load:
        sizes = replace(sizes, first_load=chosen.first_load)
    if chosen.runs:
        sizes = replace(sizes, runs=chosen.runs)

    if min(sizes.histories) < sizes.news:
        parser.error(f"--histories: at least {sizes.news:,}, an extract date")

    room = (chosen.work or Path(gettempdir())).resolve()
    room.mkdir(parents=True, exist_ok=True)
    work = room / "daybook-bench" if chosen.work else Path(mkdtemp(prefix="daybook-bench-", dir=room))
    needed = sizes.events * _BYTES_OF_AN_EVENT
    free = shutil.disk_usage(room).free + sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    if free < needed:
        if not chosen.work:
            work.rmdir()
        print(f"{room}: {free / 1e9:,.0f} GB are free, {needed / 1e9:,.0f} GB are needed; --work names another folder")
        return 2
    try:
        kept = Kept(work, sizes)
    except OtherMeasurements as error:
        print(error)
        return 2
    began = time.monotonic()

    def tell(told: str) -> None:
        print(f"{(time.monotonic() - began) / 60:6.1f} min  {told}", flush=True)

    command = " ".join(["make bench", *([f'ARGS="{" ".join(sys.argv[1:])}"'] if sys.argv[1:] else [])])
    results = chosen.results or (RESULTS if sizes.have_goals else room / RESULTS.name)
    plot = results.with_name("cost_against_history.svg")
    found = Found(kept.begun.at, command, kept.begun.revision, versions(), sizes.have_goals)

    def write() -> None:
        """What there is, so that a bench that is cut off has a page."""
        if found.nights:
            draw(found.nights, plot)
        wanted = {"nights": len(sizes.histories), "besides": len(COMMANDS)}
        results.write_text(page(found, wanted, dt.datetime.now(dt.UTC), plot.name))

    is_whole = False
    try:
        for night in nights(work, sizes, tell, kept.once):
            found.nights.append(night)
            write()
        found.answers = kept.once("questions", lambda: ask(home_of_nights(work), tell))
        shutil.rmtree(work / "nights", ignore_errors=True)  # there may be no room for it and what follows
        write()
        found.first = kept.once("first_load", lambda: first_load(work, sizes, tell))
        write()
        for other in beside(work, sizes, tell, kept.once):
            found.besides.append(other)
            write()
        is_whole = all(other.costs for other in found.besides)
    except NoExtractsLeft as error:
        print(error)
        return 2
    finally:
        if is_whole or not chosen.work:
            shutil.rmtree(work, ignore_errors=True)
    tell(f"wrote {results}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
