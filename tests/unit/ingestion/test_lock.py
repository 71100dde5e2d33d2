"""One writer at a time, also between processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingestion.home import Home
from ingestion.lock import WriterBusyError, writer_lock

HOLD = """
import sys, time
from pathlib import Path
from ingestion.home import Home
from ingestion.lock import writer_lock
with writer_lock(Home(Path(sys.argv[1])), "load in another process"):
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


def hold(home: Home, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(home.root), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_it_is_reentrant_within_a_process(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with writer_lock(home, "night"), writer_lock(home, "load", timeout=0):
        pass
    with writer_lock(home, "again", timeout=0):
        pass


def test_it_is_let_go_of_after_an_error(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(ZeroDivisionError), writer_lock(home, "night"):
        raise ZeroDivisionError
    hold(home, 0).wait()


def test_a_waiter_is_told_whom_it_waits_for_and_gets_its_turn(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = hold(home, 1)
    told: list[str] = []
    with writer_lock(home, "mine", report=told.append):
        assert process.wait() == 0
    assert len(told) == 1
    assert told[0].startswith(f"waiting for load in another process (process {process.pid}, since ")


def test_a_waiter_that_will_not_wait_longer_says_who_was_in_the_way(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = hold(home, 30)
    started = time.monotonic()
    with pytest.raises(WriterBusyError, match="load in another process"), writer_lock(home, "mine", timeout=0.3):
        pass
    assert 0.3 <= time.monotonic() - started < 5
    process.kill()
    process.wait()


def test_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = hold(home, 30)
    process.kill()
    process.wait()
    with writer_lock(home, "mine", timeout=0):
        pass
