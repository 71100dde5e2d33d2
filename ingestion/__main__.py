"""The command line of the lake: `python -m ingestion load | status | verify | show | withdraw | erase`.

What belongs here: arguments and what is printed. `python -m ingestion.demo` writes demo extracts.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from datetime import date

from ingestion import ledger
from ingestion.erasure import erase
from ingestion.extracts import Extract, ExtractError, discover, not_read
from ingestion.home import Home
from ingestion.lake import Lake
from ingestion.ledger import Load
from ingestion.load import Loader, pending
from ingestion.lock import writer_lock
from ingestion.show import difference, find_place, show_row
from ingestion.sources import SourcesError, check_environment, load_sources
from ingestion.storage import StorageError

# Of an extract with so many rows, what is read is told while it is read.
_LARGE = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is not 0 if anything failed."""
    parser = argparse.ArgumentParser(prog="python -m ingestion", description="The lake of the folder DAYBOOK_HOME.")
    commands = parser.add_subparsers(dest="command", required=True)
    load = commands.add_parser("load", help="load every extract that is new or changed")
    load.add_argument("--from", dest="first", type=date.fromisoformat, metavar="YYYY-MM-DD", help="first extract date")
    load.add_argument("--to", dest="last", type=date.fromisoformat, metavar="YYYY-MM-DD", help="last extract date")
    commands.add_parser("status", help="what was loaded, what is not loaded yet, what failed")
    commands.add_parser("verify", help="compare the ledger with the rows in the lake")
    show = commands.add_parser("show", help="a row as it lies in landing or database; personal data may be in it")
    show.add_argument("file", help="<system>/<YYYY-MM-DD>/<name>; of a database <system>/<YYYY-MM-DD>/<source_file>")
    show.add_argument("line", type=int, help="its line, or its number in a CSV (after the header) or Parquet file")
    show.add_argument("batch_index", type=int, nargs="?", help="one event of a batch, by its index from 0")
    withdraw = commands.add_parser("withdraw", help="take an extract that came by mistake out of the lake")
    withdraw.add_argument("system")
    withdraw.add_argument("date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="its extract date")
    withdraw.add_argument("stream", nargs="?", help="by default every stream of the system")
    commands.add_parser("erase", help="take a person out of the lake, for good").add_argument("subject_id")
    chosen = parser.parse_args(arguments)
    home = Home.from_env()
    if chosen.command == "load" and chosen.first and chosen.last and chosen.first > chosen.last:
        parser.error(f"--from {chosen.first} is later than --to {chosen.last}")
    try:
        return _run(home, chosen)
    except SourcesError as error:
        print(error, file=sys.stderr)
        return 2
    except StorageError as error:
        print(error, file=sys.stderr)
        return 1


def _run(home: Home, chosen: argparse.Namespace) -> int:
    if chosen.command in ("load", "status"):
        check_environment(load_sources(home))
    if chosen.command == "load":
        return _load(home, chosen.first, chosen.last)
    if chosen.command == "status":
        return _status(home)
    if chosen.command == "verify":
        return _verify(home)
    if chosen.command == "show":
        return _show(home, chosen.file, chosen.line, chosen.batch_index)
    if chosen.command == "withdraw":
        return _withdraw(home, chosen.system, chosen.date, chosen.stream)
    return _erase(home, chosen.subject_id)


def _load(home: Home, first: date | None, last: date | None) -> int:
    started = time.monotonic()
    rows = failures = 0
    with writer_lock(home, "load"), Loader(home) as loader:
        found = discover(home)
        for warning in found.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        extracts = pending(home, first, last, found=found)
        for number, (extract, outcome) in enumerate(loader.load_all(extracts, _tell), 1):
            place = f"[{number}/{len(extracts)}] {extract}"
            if isinstance(outcome, ExtractError):
                failures += 1
                print(f"{place}: failed: {outcome}", file=sys.stderr)
            else:
                rows += outcome.rows_read
                print(f"{place}: {_counts([outcome])}")
    seconds = time.monotonic() - started
    loaded = _number(len(extracts) - failures, "extract")
    print(f"{loaded} loaded, {failures} failed; {_number(rows, 'row')} read in {seconds:.1f} s")
    return 1 if failures else 0


def _tell(extract: Extract, rows: int) -> None:
    if rows >= _LARGE:
        print(f"{extract}: {rows:,} rows so far")


def _status(home: Home) -> int:
    by_stream: dict[str, list[Load]] = defaultdict(list)
    loads = ledger.active_loads(home)
    for load in loads.values():
        by_stream[f"{load.system}/{load.stream}"].append(load)
    print(f"{home.root}")
    for name, found in sorted(by_stream.items()):
        dates = [load.extract_date for load in found]
        print(f"{name}: {_number(len(dates), 'date')}, {min(dates)} to {max(dates)}: {_counts(found)}")
    discovery = discover(home)
    waiting = pending(home, found=discovery)
    print(
        f"new or changed: {_number(len(waiting), 'extract')}{''.join(f'{chr(10)}  {extract}' for extract in waiting)}"
    )
    places = {(extract.system, extract.stream, extract.extract_date) for extract in waiting}
    last = {failure.key: failure for failure in sorted(ledger.failed_loads(home), key=lambda f: f.loaded_at)}
    for place, failure in last.items():
        active = loads.get(place)
        if place in places and (active is None or active.loaded_at < failure.loaded_at):
            print(f"failed: {failure.error} ({failure.loaded_at:%Y-%m-%d %H:%M} UTC)")
    for line in not_read(discovery.warnings):
        print(line)
    return 0


def _verify(home: Home) -> int:
    with writer_lock(home, "verify"):  # what a load has half done is no difference
        differences = ledger.verify(home)
    for found in differences:
        place = f"{found.system}/{found.extract_date}/{found.stream}"
        print(f"{place}: {found.what} is {found.ledger:,} in the ledger, {found.lake:,} in the lake ({found.load_id})")
    print("the ledger and the lake agree" if not differences else f"{len(differences)} differences")
    return 1 if differences else 0


def _show(home: Home, file: str, line: int, batch_index: int | None) -> int:
    try:
        place = find_place(home, file)
        differs = difference(home, place)
        row = show_row(place, line, batch_index)
    except ExtractError as error:
        print(error, file=sys.stderr)
        return 1
    print(row.raw)
    if row.document not in (None, row.raw):
        print(row.document)
    if differs:
        print(f"{differs}; the row may be another one than was loaded", file=sys.stderr)
    return 1 if differs else 0


def _withdraw(home: Home, system: str, day: date, stream: str | None) -> int:
    def is_meant(found: Extract | Load) -> bool:
        return (found.system, found.extract_date) == (system, day) and stream in (None, found.stream)

    with writer_lock(home, "withdraw"):
        landed = [extract for extract in discover(home).extracts if is_meant(extract)]
        for extract in landed:
            where, cure = ("a database", "read it no more") if extract.database else ("the landing zone", "remove it")
            print(f"{extract}: still lies in {where}, and would be loaded again; {cure} first")
        loads = [] if landed else [load for load in ledger.active_loads(home).values() if is_meant(load)]
        for load in loads:
            ledger.withdraw(Lake(home), load)
            print(f"{load.system}/{load.extract_date}/{load.stream}: withdrawn: {_counts([load])}")
        if not landed and not loads:
            print(f"{system}/{day}{f'/{stream}' if stream else ''}: not in the lake")
    return 0 if loads else 1


def _erase(home: Home, subject_id: str) -> int:
    with writer_lock(home, "erase"):
        before = ledger.active_loads(home)
        loads = erase(home, subject_id)
    rows = sum(load.rows_erased - before[load.key].rows_erased for load in loads)
    for load in loads:
        print(f"{load.system}/{load.extract_date}/{load.stream}: {_counts([load])}")
    if rows:
        dates = len({load.extract_date for load in loads})
        print(f"{_number(rows, 'row')} of {_number(dates, 'date')} erased from the lake")
        print("the published marts hold the person until the next night; the landing zone is the source system's")
    else:
        print("no row of this id is in the lake; it is kept out of later deliveries")
    return 0


def _number(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _counts(loads: list[Load]) -> str:
    read, valid = sum(load.rows_read for load in loads), sum(load.rows_accepted for load in loads)
    rejected, erased = sum(load.rows_rejected for load in loads), sum(load.rows_erased for load in loads)
    return f"{read:,} rows read, {valid:,} valid, {rejected:,} rejected, {erased:,} erased"


if __name__ == "__main__":
    sys.exit(main())
