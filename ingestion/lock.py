"""One writer: whoever writes the lake or the warehouse holds this lock."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ingestion.home import Home

# Tells the processes that the writer starts that they write on its behalf.
_ON_BEHALF = "DAYBOOK_WRITER"

_POLL_SECONDS = 0.2
_REPORT_SECONDS = 10.0


class WriterBusyError(Exception):
    """Somebody else held the lock for longer than the caller would wait; the message says who."""


@dataclass
class _Held:
    """This process's hold on one lock: how many times it has been entered."""

    lock: FileLock
    entered: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)


_held: dict[tuple[int, Path], _Held] = {}  # by process id too: a forked child does not hold what its parent holds
_held_guard = threading.Lock()


@contextmanager
def writer_lock(
    home: Home, what: str, timeout: float | None = None, report: Callable[[str], None] = print
) -> Iterator[None]:
    """Hold the lock of the one writer; `what` tells waiters what is being done.

    Re-entrant within a process: a run takes it once, and whatever it calls may take it again. The system releases it
    when the process ends, however it ends. While another process holds it, `report` is told so, now and then. Raises
    WriterBusyError after `timeout` seconds; without a timeout it waits.
    """
    path = home.writer_lock
    with _held_guard:
        held = _held.setdefault((os.getpid(), path), _Held(FileLock(path, thread_local=False)))
    with held.guard:
        if held.entered == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            _acquire(held.lock, home, timeout, report)
            _holder_path(home).write_text(
                json.dumps({"what": what, "pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")})
            )
            os.environ[_ON_BEHALF] = str(os.getpid())
        held.entered += 1
    try:
        yield
    finally:
        with held.guard:
            held.entered -= 1
            if held.entered == 0:
                os.environ.pop(_ON_BEHALF, None)
                _holder_path(home).unlink(missing_ok=True)
                held.lock.release()


def writes_on_behalf() -> bool:
    """Whether this process was started by the writer: the lock is held for it already."""
    return os.environ.get(_ON_BEHALF, str(os.getpid())) != str(os.getpid())


def writer(home: Home) -> str:
    """Who holds the lock, as far as it is known."""
    try:
        holder = json.loads(_holder_path(home).read_text())
        return f"{holder['what']} (process {holder['pid']}, since {holder['since']})"
    except (OSError, ValueError, KeyError):
        return "another writer"


def _acquire(lock: FileLock, home: Home, timeout: float | None, report: Callable[[str], None]) -> None:
    started = time.monotonic()
    reported = -_REPORT_SECONDS
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            waited = time.monotonic() - started
        if timeout is not None and waited >= timeout:
            raise WriterBusyError(f"the writer lock is held by {writer(home)}")
        if waited - reported >= _REPORT_SECONDS:
            report(f"waiting for {writer(home)}")
            reported = waited
        time.sleep(_POLL_SECONDS if timeout is None else min(_POLL_SECONDS, timeout - waited))


def _holder_path(home: Home) -> Path:
    return home.writer_lock.with_suffix(".json")
