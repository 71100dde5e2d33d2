"""Loads a hostile landing folder and holds what became of it against the account.

    outcome = run_hostile(seed, folder)
    assert outcome.faults == []

What belongs here: the rules that hold for every folder. What does not: what is in it (`extracts.py`), and what has to
become of a row (`account.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from ingestion import ledger
from ingestion.home import Home
from ingestion.lake import attach_lake
from ingestion.ledger import Load
from tests.hostile import account
from tests.hostile.account import ACCEPTED, Row, Unreadable
from tests.hostile.extracts import FORMATS, PERSONAL, TOKEN, Folder, Made

TIMEOUT = 300
LONGEST_MESSAGE = 700
Key = tuple[str, str, date]


@dataclass
class Outcome:
    """What one folder, or several, came to."""

    files: Counter[tuple[str, str]] = field(default_factory=Counter)  # (format, kind of hostility): files
    rows: int = 0
    judged: int = 0  # of them, with a verdict of their own in the account
    verdicts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # cause, without the file: extracts
    warnings: int = 0
    peak_bytes: int = 0
    faults: list[str] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Sum another one up into this one."""
        self.files += other.files
        self.rows += other.rows
        self.judged += other.judged
        self.verdicts += other.verdicts
        self.refused += other.refused
        self.warnings += other.warnings
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)
        self.faults += other.faults

    def table(self) -> str:
        """The figures, as a table in Markdown."""
        by_kind = {kind: {f: n for (f, k), n in self.files.items() if k == kind} for _, kind in sorted(self.files)}
        formats = [*FORMATS, "none"]
        lines = [f"| hostility | {' | '.join(formats)} |", "| --- |" + " --: |" * len(formats)]
        lines += [f"| {kind} | {' | '.join(str(n.get(f, '')) for f in formats)} |" for kind, n in by_kind.items()]
        totals = {
            "files": self.files.total(),
            "rows read": self.rows,
            "rows judged a second time": self.judged,
            **{f"rows {verdict}": rows for verdict, rows in sorted(self.verdicts.items())},
            "extracts refused": self.refused.total(),
            "warnings": self.warnings,
            "most memory, MiB": self.peak_bytes // 1024**2,
            "faults": len(self.faults),
        }
        return "\n".join([*lines, "", "| | |", "| --- | --: |", *(f"| {k} | {v:,} |" for k, v in totals.items())])


def run_hostile(seed: int, folder: Path) -> Outcome:
    """Make a landing folder from a seed, load it, load it again, mend it, and look at everything after each step."""
    folder.mkdir(parents=True)
    home, outside = Home(folder / "home 'x' [1]"), folder / "outside"
    _canary(outside)
    made = Folder(seed, home.landing, outside).write()
    outcome = Outcome(files=Counter((one.format, one.kind) for one in made))
    before = _snapshot(outside)
    failed = _load(home, "pending", outcome)
    state = _check(home, made, failed, outcome)
    again = _load(home, "pending", outcome)
    _expect(outcome, again.keys() == failed.keys(), f"other extracts wait: {again.keys() ^ failed.keys()}")
    _load(home, "all", outcome)
    _expect(outcome, _check(home, made, failed, outcome) == state, "a second load of the same files changed the lake")
    _mend(home, outcome.faults)
    left = _load(home, "pending", outcome)
    _expect(outcome, not left, f"still refused after mending: {left}")
    final = Outcome()
    _check(home, [Made(one.path, one.kind, one.format) for one in made if _is_file(one.path)], left, final)
    outcome.faults += final.faults
    outcome.rows, outcome.judged, outcome.verdicts = final.rows, final.judged, final.verdicts
    _expect(outcome, _snapshot(outside) == before, "something outside of the home was changed, or read")
    beside = {path for path in folder.iterdir()} - {home.root, outside}
    _expect(outcome, not beside, f"something was written beside the home: {beside}")
    _check_canary(home, outcome)
    outcome.faults = [f"seed {seed}: {fault}" for fault in dict.fromkeys(outcome.faults)]
    return outcome


def run_many(seeds: Iterable[int], folder: Path, progress: Callable[[int, Outcome], None] | None = None) -> Outcome:
    """Many folders, one after the other, and the sum of them; `progress` is told each seed and what came of it.

    A folder stays where something was found to be wrong with it.
    """
    total = Outcome()
    for seed in seeds:
        one = run_hostile(seed, folder / f"seed-{seed}")
        if not one.faults:
            shutil.rmtree(folder / f"seed-{seed}")
        total.add(one)
        if progress is not None:
            progress(seed, one)
    return total


def load_in_child(home: Home, what: str = "pending", timeout: float = TIMEOUT) -> dict[str, Any]:
    """Load in a process of its own. Raises what `subprocess` raises where it hangs or dies."""
    command = [sys.executable, "-m", "tests.hostile.child", str(home.root), what]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise AssertionError(f"the loader died ({done.returncode}): {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- steps -----------------------------------------------------------------------------------------------------------


def _expect(outcome: Outcome, holds: bool, fault: str) -> None:
    if not holds:
        outcome.faults.append(fault)


def _load(home: Home, what: str, outcome: Outcome) -> dict[Key, str]:
    """The extracts that could not be loaded, and why; the messages are looked at."""
    try:
        told = load_in_child(home, what)
    except (AssertionError, subprocess.TimeoutExpired) as error:
        outcome.faults.append(str(error))
        return {}
    outcome.peak_bytes = max(outcome.peak_bytes, told["peak_bytes"])
    failures = {(system, stream, date.fromisoformat(day)): why for system, stream, day, why in told["failures"]}
    for (system, _, day), why in failures.items():
        _expect(outcome, why.startswith(f"{system}/{day}/"), f"a message names no file: {why!r}")
    if what == "pending" and not outcome.warnings:
        outcome.refused += Counter(why.partition(": ")[2][:60] for why in failures.values())
        outcome.warnings += len(told["warnings"])
    for message in [*failures.values(), *told["warnings"]]:
        _expect(outcome, message.isprintable(), f"a message that cannot be printed: {message!r}")
        _expect(outcome, len(message) <= LONGEST_MESSAGE, f"a message of {len(message)} characters: {message[:100]}")
        leaks = [text for text in (*PERSONAL, TOKEN) if text in message]
        _expect(outcome, not leaks, f"a message tells {leaks}: {message!r}")
    return failures


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _check(home: Home, made: list[Made], failed: dict[Key, str], outcome: Outcome) -> list[Any]:
    """Hold every load against the account. Returns the content of the lake, load ids aside."""
    outcome.rows = outcome.judged = 0
    outcome.verdicts = Counter()
    loads = ledger.active_loads(home)
    _expect(outcome, not ledger.verify(home), "the ledger and the lake disagree")
    _expect(outcome, not loads.keys() & failed.keys(), "a load that failed is active")
    with duckdb.connect() as con:
        attach_lake(con, home)
        for load in loads.values():
            _check_load(con, home, load, made, outcome)
        for one in made:
            if one.must_load and _is_file(one.path):
                system, day = one.path.parts[-3], date.fromisoformat(one.path.parent.name)
                stream = one.path.name.split(".")[0].split("-")[0]
                why = failed.get((system, stream, day), "")
                ours = why.partition(": ")[0].endswith(_shown(one.path.name))
                _expect(outcome, not ours, f"refused, and is readable: {why}")
        return _content(con)


def _shown(name: str) -> str:
    return name if name.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def _content(con: duckdb.DuckDBPyConnection) -> list[Any]:
    views = con.execute("select view_name from duckdb_views() where database_name = 'lake' order by 1").fetchall()
    content: list[Any] = []
    for (view,) in views:
        names = {row[0] for row in con.execute(f"describe lake.raw.{view}").fetchall()}
        if "source_line" in names:
            rows = con.execute(f"select * exclude (load_id) from lake.raw.{view} order by all").fetchall()
            content.append((view, rows))
    return content


def _check_load(con: duckdb.DuckDBPyConnection, home: Home, load: Load, made: list[Made], outcome: Outcome) -> None:
    """One stream and date: every row of every file is where the account says, once."""
    place = f"{load.system}/{load.extract_date}/{load.stream}"
    folder = home.landing / load.system / str(load.extract_date)
    found: dict[tuple[str, int, int], str] = {}
    names = [row[0] for row in con.execute(f"describe lake.raw.{load.system}_{load.stream}").fetchall()]
    ours = f"load_id = '{load.load_id}'"
    stored: dict[tuple[str, int, int], dict[str, Any]] = {}
    for row in con.execute(f"from lake.raw.{load.system}_{load.stream} where {ours}").fetchall():
        values = dict(zip(names, row, strict=True))
        at = (values["source_file"], values["source_line"], values["batch_index"])
        _expect(outcome, at not in found, f"{place}: {at} is stored twice")
        found[at] = ACCEPTED
        stored[at] = values
    raws: dict[tuple[str, int, int], str] = {}
    query = f"select source_file, source_line, batch_index, reason, raw, detail from lake.raw.quarantine where {ours}"
    for name, line, index, reason, raw, detail in con.execute(query).fetchall():
        _expect(outcome, (name, line, index) not in found, f"{place}: {name}:{line}:{index} is stored twice")
        found[name, line, index] = reason
        raws[name, line, index] = raw
        _expect(outcome, len(detail) <= 300, f"{place}: a detail of {len(detail)} characters")
    _expect(outcome, len(found) == load.rows_read, f"{place}: {load.rows_read} rows read, {len(found)} in the lake")
    outcome.rows += load.rows_read
    outcome.verdicts += Counter(found.values())
    for file in load.file_set:
        path = folder / file.name
        if not path.exists():  # a link to a file that was mended away: what was loaded stays
            continue
        content = path.read_bytes()
        is_same = (file.size, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        _expect(outcome, is_same, f"{place}: size or hash of {file.name}")
        rows = {at[1:]: verdict for at, verdict in found.items() if at[0] == file.name}
        try:
            expected = account.rows_of(path, load.system, load.stream, load.extract_date)
        except Unreadable as error:
            # The engine may be able to read what Arrow is not; a text that cannot be unpacked has no rows.
            if not file.name.endswith(".parquet"):
                outcome.faults.append(f"{place}: {file.name} was loaded, and is unreadable: {error}")
            continue
        unknown = any(row.verdict is None and row.raw is None for row in expected) and load.stream == "batches"
        if not unknown:
            _compare(f"{place} {file.name}", expected, rows, outcome)
        for row in expected:
            at = (file.name, row.line, row.index)
            if row.verdict == ACCEPTED and at in stored:
                wrong = [n for n, value in row.values.items() if stored[at][n] != value]
                _expect(outcome, not wrong, f"{place}: {at} has other values in {wrong}")
            elif row.raw is not None and at in raws:
                _expect(outcome, raws[at] == row.raw, f"{place}: {at} is not in quarantine as it came")


def _compare(place: str, expected: list[Row], rows: dict[tuple[int, int], str], outcome: Outcome) -> None:
    wanted = {(row.line, row.index): row.verdict for row in expected}
    missing, more = wanted.keys() - rows.keys(), rows.keys() - wanted.keys()
    _expect(outcome, not missing, f"{place}: rows unaccounted for: {sorted(missing)[:5]}")
    _expect(outcome, not more, f"{place}: rows that are none: {sorted(more)[:5]}")
    wrong = {at: (v, rows[at]) for at, v in wanted.items() if v is not None and at in rows and rows[at] != v}
    _expect(outcome, not wrong, f"{place}: other verdicts (expected, found): {dict(sorted(wrong.items())[:5])}")
    outcome.judged += sum(verdict is not None for verdict in wanted.values())


def _mend(home: Home, faults: list[str]) -> None:
    """Put something readable in the place of everything that is not, and take away what is no file at all."""
    for path in sorted(home.landing.rglob("*"), reverse=True):
        if path.name == "manifest.json" or (path.is_symlink() and path.parents[2] == home.landing):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        elif path.parents[2] == home.landing and not path.is_symlink() and not path.is_file():
            for inner in path.glob("*") if path.is_dir() else ():
                inner.rmdir()
            path.rmdir() if path.is_dir() else path.unlink()
        elif path.is_file() and path.parents[2] == home.landing:
            stream = path.name.split(".")[0].split("-")[0]
            try:
                path.name.encode()
                account.rows_of(path, path.parts[-3], stream, date(2026, 3, 2))
                is_odd = path.name.endswith((".parquet", ".gz", ".zst", ".csv"))
            except UnicodeEncodeError:
                path.unlink()
                continue
            except (Unreadable, KeyError):
                is_odd = True
            if is_odd and path.name.endswith(tuple(FORMATS)):
                good = b'{"\xc3\xa9": 1}\n'
                if path.name.endswith(".gz"):
                    good = gzip.compress(b"a\n1\n" if ".csv" in path.name else good)
                elif path.name.endswith(".csv"):
                    good = b"a\n1\n"
                elif path.name.endswith((".zst", ".parquet")):
                    path.unlink()
                    path = path.with_name(f"{stream}-mended.ndjson")
                path.write_bytes(good)


# --- outside ---------------------------------------------------------------------------------------------------------


def _canary(outside: Path) -> None:
    """Files that nobody may read or change, that links lead to."""
    inner = outside / "system" / "2026-03-02"
    inner.mkdir(parents=True)
    for path in (outside / "rows.ndjson", inner / "events.ndjson", inner / f"{TOKEN}.txt"):
        path.write_text(json.dumps({"event_id": TOKEN, "event_type": TOKEN}) + "\n")
    for path in (outside / "manifest.json", inner / "manifest.json"):
        path.write_text(json.dumps({"files": [{"name": f"events-{TOKEN}.ndjson", "rows": 1, "sha256": "0" * 64}]}))
    for path in sorted(outside.rglob("*")):
        os.utime(path, ns=(0, 10**18))  # read long before it was written: the next one who reads it is noticed


def _snapshot(outside: Path) -> list[Any]:
    """Names, times of access and change, sizes and modes; contents cannot change without the time of change."""
    found = []
    for path in sorted(outside.rglob("*")):
        now = path.stat()
        read = now.st_atime_ns if path.is_file() else 0
        found.append((str(path), now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_mode, read))
    return found


def _check_canary(home: Home, outcome: Outcome) -> None:
    with duckdb.connect() as con:
        attach_lake(con, home)
        rows = con.execute("select count(*) from lake.raw.quarantine where contains(raw, ?)", [TOKEN]).fetchone()
        _expect(outcome, rows == (0,), "a file from outside of the landing zone is in the quarantine")
    for path in home.root.rglob("*"):
        if path.is_file() and home.landing not in path.parents:
            _expect(outcome, TOKEN.encode() not in path.read_bytes(), f"a text from outside is in {path.name}")
