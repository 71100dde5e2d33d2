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
from typing import Any

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
            started = time.monotonic()
            _acquire(held.lock, lambda: writer(home), started, timeout, report)
            before, killed = _holder(home), writer(home)
            _tell_holder(home, what)
            try:
                _wait_for_orphans(home, killed, started, timeout, report)
            except BaseException:
                _holder_path(home).write_text(json.dumps(before))
                held.lock.release()
                raise
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


@contextmanager
def writes_for_the_writer(home: Home) -> Iterator[None]:
    """In a process that the writer started: make the next writer wait for this process, too.

    A writer that is killed lets go of its lock, while what it started lives on, and writes. Raises WriterBusyError
    where the writer is gone by now: what this process came for is done by somebody else.
    """
    path = _children_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path, thread_local=False, is_singleton=True):  # re-entrant within this process
        # In this order: a writer that comes later waits, and one that came earlier is seen here.
        if not _is_writing(home, int(os.environ[_ON_BEHALF])):
            raise WriterBusyError("the run that started this process was killed; nothing was written for it")
        yield


def writes_on_behalf() -> bool:
    """Whether this process was started by the writer: the lock is held for it already."""
    return os.environ.get(_ON_BEHALF, str(os.getpid())) != str(os.getpid())


def is_alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def writer(home: Home) -> str:
    """Who holds the lock, as far as it is known."""
    holder = _holder(home)
    return "{what} (process {pid}, since {since})".format_map(holder) if holder else "another writer"


def _acquire(
    lock: FileLock, whom: Callable[[], str], started: float, timeout: float | None, report: Callable[[str], None]
) -> None:
    reported = -_REPORT_SECONDS
    while True:
        try:
            lock.acquire(timeout=0)
            return
        except Timeout:
            waited = time.monotonic() - started
        if timeout is not None and waited >= timeout:
            raise WriterBusyError(f"the writer lock is held by {whom()}")
        if waited - reported >= _REPORT_SECONDS:
            report(f"waiting for {whom()}")
            reported = waited
        time.sleep(_POLL_SECONDS if timeout is None else min(_POLL_SECONDS, timeout - waited))


def _wait_for_orphans(
    home: Home, killed: str, started: float, timeout: float | None, report: Callable[[str], None]
) -> None:
    """Wait for what a killed writer started: it writes until it is done."""
    path = _children_path(home)
    if path.exists():
        orphans = FileLock(path, thread_local=False)
        _acquire(orphans, lambda: f"what was started by {killed}, which was killed", started, timeout, report)
        orphans.release()


def _is_writing(home: Home, process: int) -> bool:
    """Whether a process is the writer still, as far as it is known."""
    return is_alive(process) and bool(_holder(home).get("pid", process) == process)


def _holder(home: Home) -> dict[str, Any]:
    """What the writer says of itself; empty where nobody writes, or says nothing that can be read."""
    try:
        holder = json.loads(_holder_path(home).read_text())
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) and {"what", "pid", "since"} <= holder.keys() else {}


def _tell_holder(home: Home, what: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _holder_path(home).write_text(json.dumps({"what": what, "pid": os.getpid(), "since": now}))


def _holder_path(home: Home) -> Path:
    return home.writer_lock.with_suffix(".json")


def _children_path(home: Home) -> Path:
    """Locked by what the writer has started, for as long as that writes."""
    return home.writer_lock.with_suffix(".children.lock")
