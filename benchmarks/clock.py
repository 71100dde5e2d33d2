"""What a command costs, seen from outside: the time of the clock, of the cores, and the memory at its peak.

What belongs here: running and watching processes. What does not: which ones, and what the figures mean.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

# To look costs 3 ms of a core: at every 50 ms it was a sixteenth of one.
_EVERY_SECONDS = 0.2


class CommandFailed(Exception):
    """A command that was measured came to no good end; the message has its last lines."""


@dataclass(frozen=True)
class Cost:
    """Of one run of a command, with all processes that it started."""

    seconds: float  # from its start to its end
    cpu_seconds: float  # of all cores, user and system
    peak_bytes: int  # resident memory of all its processes together, looked at every 200 ms
    spilled_bytes: int = 0  # the most that lay in DuckDB's temporary folders at a time
    others: float = 0.0  # the share of all cores that other processes took meanwhile, 0 to 1


def measure(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    spills: Path | None = None,
) -> Cost:
    """Run a command to its end and say what it cost. Raises CommandFailed.

    Args:
        command: what to run, from the current folder.
        log: a file for what it prints.
        environment: variables besides those of this process; of Daybook's own it gets no others.
        spills: the folder below which its databases have their temporary folders.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        began, busy = time.perf_counter(), _busy_seconds()
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**_neutral(), **(environment or {})},
        )
        with _Watch(process.pid, spills) as watch:
            _, status, used = os.wait4(process.pid, 0)
            seconds, busy = time.perf_counter() - began, _busy_seconds() - busy
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = log.read_text(errors="replace").strip().splitlines()[-20:]
        raise CommandFailed("\n".join([f"{' '.join(map(str, command))}: exit status {process.returncode}", *last]))
    own = used.ru_utime + used.ru_stime
    # The system counts in ticks of 10 ms, so that a short run can have more of them than there was time.
    others = min(1.0, max(0.0, busy - own) / (seconds * (os.cpu_count() or 1)))
    # Not `used.ru_maxrss`: a new process begins with the peak of the one that started it.
    return Cost(seconds, own, watch.peak, watch.spilled, others)


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; of the memory, and of what others took, the most."""
    return Cost(
        statistics.median(cost.seconds for cost in costs),
        statistics.median(cost.cpu_seconds for cost in costs),
        max(cost.peak_bytes for cost in costs),
        max(cost.spilled_bytes for cost in costs),
        max(cost.others for cost in costs),
    )


class _Watch:
    """Looks at the memory of a process, and at what is spilled, until the block ends."""

    def __init__(self, pid: int, spills: Path | None) -> None:
        self.peak = self.spilled = 0
        self._pid, self._spills = pid, spills
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_EVERY_SECONDS):
            self.peak = max(self.peak, _resident(self._pid))
            self.spilled = max(self.spilled, _spilled(self._spills) if self._spills else 0)


def _neutral() -> dict[str, str]:
    """The environment without what would lead a command to another lake, engine or limit than the one measured."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DAYBOOK_")}


def _busy_seconds() -> float:
    """The seconds that all cores together have worked since the machine started, for whomever."""
    times = psutil.cpu_times()
    return float(times.user + times.system + getattr(times, "nice", 0) + getattr(times, "steal", 0))


def _resident(pid: int) -> int:
    """The resident bytes of a process and of all that it has started."""
    try:
        first = psutil.Process(pid)
        processes = [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    total = 0
    for process in processes:
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _spilled(folder: Path) -> int:
    """The bytes of the files in DuckDB's temporary folders: `<database>.tmp`, and those of the loader."""
    total = 0
    for temporary in folder.glob("*.tmp"):
        for path in temporary.rglob("*"):
            try:
                total += path.stat().st_blocks * 512 if path.is_file() else 0
            except OSError:  # gone since
                continue
    return total
