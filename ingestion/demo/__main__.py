"""`python -m ingestion.demo`: write demo extracts."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from ingestion.demo.generate import DAYS, LEARNERS, SEED, START, DemoSummary, generate
from ingestion.home import Home


def main(arguments: Sequence[str] | None = None) -> int:
    """Write demo extracts as the arguments say; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m ingestion.demo", description="Write demo extracts and their truth."
    )
    parser.add_argument("--home", type=Path, help="the warehouse's folder (default: DAYBOOK_HOME, else data/)")
    parser.add_argument("--learners", type=int, default=LEARNERS, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--start", type=dt.date.fromisoformat, default=START, help="first date (default: %(default)s)")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--days", type=int, default=DAYS, help="number of extract dates (default: %(default)s)")
    length.add_argument("--end", type=dt.date.fromisoformat, help="last date")
    parser.add_argument("--clean", action="store_true", help="remove the extracts of an earlier demo first")
    options = parser.parse_args(arguments)
    days = options.days if options.end is None else (options.end - options.start).days + 1
    home = Home(options.home.expanduser().resolve()) if options.home else Home.from_env()
    try:
        summary = generate(
            home, options.learners, days, options.seed, options.start, progress=_show, clean=options.clean
        )
    except (FileExistsError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(_text(summary, home))
    return 0


def _show(done: int, total: int, rows: int) -> None:
    if sys.stderr.isatty() or done == total:
        end = "\n" if done == total else "\r"
        print(f"demo: {done} of {total} dates, {rows:,} rows", end=end, file=sys.stderr, flush=True)


def _text(summary: DemoSummary, home: Home) -> str:
    broken = sum(account.rejected.total() for account in summary.accounts.values())
    copies = sum(account.duplicates + account.conflicts for account in summary.accounts.values())
    return (
        f"{summary.learners} learners, {summary.first_date} to {summary.last_date}: {summary.rows:,} rows in "
        f"{summary.files} files ({summary.bytes / 1e6:,.1f} MB), {copies:,} copies, {broken:,} broken; "
        f"{summary.seconds:.1f} s, {summary.rows / summary.seconds:,.0f} rows a second\n{home.landing}"
    )


if __name__ == "__main__":
    sys.exit(main())
