"""The command line: `python -m orchestration nightly | rebuild | mastery | parity | trace | ui`.

What belongs here: arguments. What does not: what the commands do (`nightly`, `parity`, `trace`).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from datetime import date
from pathlib import Path
from typing import NoReturn

from ingestion.home import Home
from ingestion.storage import StorageError
from orchestration.garbage import collect_rarely


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status is 0 if everything that had to work worked."""
    parser = argparse.ArgumentParser(prog="python -m orchestration", description="Daybook's nights, by hand.")
    commands = parser.add_subparsers(dest="command", required=True)
    nightly = commands.add_parser("nightly", help="load what is new or changed, build, check, publish")
    nightly.add_argument(
        "--from",
        dest="first",
        type=_date,
        metavar="YYYY-MM-DD",
        help="load the dates from this one on, again if need be",
    )
    nightly.add_argument(
        "--to", dest="last", type=_date, metavar="YYYY-MM-DD", help="... and up to this one; both are in"
    )
    commands.add_parser("rebuild", help="drop the warehouse, build every mart from the lake alone, check, publish")
    mastery = commands.add_parser("mastery", help="fit a challenger for topic mastery, promote or keep, build, publish")
    mastery.add_argument(
        "--champion", metavar="VERSION", help="fit nothing: make this model, which the lake keeps, the champion again"
    )
    commands.add_parser("parity", help="build the same lake on DuckDB and on Spark, and compare every mart")
    trace = commands.add_parser("trace", help="the rows in the landing zone that a number of a mart is made of")
    trace.add_argument(
        "number", metavar="MART[.COLUMN]", help="runs its query of docs/guides/trace.md; - runs one from standard input"
    )
    trace.add_argument(
        "key", nargs="*", type=_pair, metavar="COLUMN=VALUE", help="which row of the mart; $COLUMN in the query"
    )
    trace.add_argument("--csv", action="store_true", help="print every row, as CSV")
    ui = commands.add_parser("ui", help="Dagster's UI and daemon")
    ui.add_argument("--host", default="127.0.0.1")
    ui.add_argument("--port", default=3000, type=int)
    given = parser.parse_args(arguments)
    if given.command == "nightly" and given.first and given.last and given.first > given.last:
        parser.error(f"--from {given.first} is later than --to {given.last}")
    try:
        return _run(Home.from_env(), given)
    except StorageError as error:
        print(f"make {given.command}: {error}. What is published is as it was; run it again when that is mended")
        return 1


def _run(home: Home, given: argparse.Namespace) -> int:
    collect_rarely()
    if given.command == "ui":
        _ui(home, given.host, given.port)

    if given.command == "parity":
        from orchestration.parity import parity

        return parity(home)

    if given.command == "trace":
        from orchestration.trace import show_trace

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # what is printed may go to head, or to less
        return show_trace(home, given.number, dict(given.key), as_csv=given.csv)

    from orchestration import nightly as night  # Dagster takes seconds to import: not for a wrong argument

    try:
        if given.command == "rebuild":
            return night.rebuild(home)
        if given.command == "mastery":
            return night.mastery(home, given.champion)
        return night.nightly(home, given.first, given.last)
    except StorageError:
        raise
    except Exception:
        # Whatever wrote last met it first, Dagster's history of runs as a rule, and says so in a page of its own.
        trouble = home.why_unwritable()
        if trouble is None:
            raise
        print(f"make {given.command}: {trouble}. What is published is as it was; run it again when that is mended")
        return 1


def _ui(home: Home, host: str, port: int) -> NoReturn:
    from orchestration.instance import prepare_instance

    prepare_instance(home)
    os.chdir(Path(__file__).resolve().parent.parent)
    # Dagster would tell the operator to use a command that is not installed.
    quiet = ["-W", "ignore:Function `dev_command` is superseded"]
    command = [sys.executable, *quiet, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", host, "-p", str(port)]
    command += ["--log-level", "warning"]  # else every tick is told, every half minute
    print(f"Dagster's UI comes up at http://{host}:{port}; Ctrl-C stops it", flush=True)
    # Started in the background of a script, this process ignores interrupts, and Dagster would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # In place of this process, so that a signal to it reaches Dagster.
    os.execv(sys.executable, command)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not COLUMN=VALUE")
    return name, value


def _date(text: str) -> date | None:
    if not text:  # make hands on an empty FROM= or TO=
        return None
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a date as YYYY-MM-DD")


if __name__ == "__main__":
    sys.exit(main())
