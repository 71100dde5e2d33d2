"""One writer at a time, also between processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingestion.home import Home
from ingestion.lock import WriterBusyError, writer_lock, writes_for_the_writer

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


CHILD = """
import sys, time
from pathlib import Path
from ingestion.home import Home
from ingestion.lock import writes_for_the_writer
time.sleep(float(sys.argv[2]))
with writes_for_the_writer(Home(Path(sys.argv[1]))):
    print("writing", flush=True)
    time.sleep(float(sys.argv[3]))
"""

PARENT = """
import subprocess, sys, time
from pathlib import Path
from ingestion.home import Home
from ingestion.lock import writer_lock
with writer_lock(Home(Path(sys.argv[1])), "make nightly"):
    subprocess.Popen([sys.executable, "-c", *sys.argv[2:]])
    print("held", flush=True)
    time.sleep(30)
"""


def killed_parent(home: Home, begins_after: float, writes_for: float) -> subprocess.Popen[str]:
    """A writer that is killed when it has started a process that writes; its pipe stays open as long as that lives."""
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home.root), CHILD, str(home.root), str(begins_after), str(writes_for)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    if not begins_after:
        assert process.stdout.readline() == "writing\n"
    process.kill()
    process.wait()
    return process


@pytest.mark.found("a soak")
def test_what_a_killed_writer_has_started_is_waited_for(tmp_path: Path) -> None:
    """What a killed writer had started was still writing when the next one began."""
    home = Home(tmp_path)
    began = time.monotonic()
    process = killed_parent(home, begins_after=0, writes_for=2)
    whom = rf"what was started by make nightly \(process {process.pid}, since .*\), which was killed"
    with pytest.raises(WriterBusyError, match=whom), writer_lock(home, "too early", timeout=0):
        pass
    told: list[str] = []
    with writer_lock(home, "mine", report=told.append):
        assert time.monotonic() - began >= 2
        assert process.stdout is not None and process.stdout.read() == ""
    assert told and re.search(whom, told[0])


def test_what_a_killed_writer_has_started_does_not_begin_beside_the_next_one(tmp_path: Path) -> None:
    home = Home(tmp_path)
    process = killed_parent(home, begins_after=1, writes_for=0)
    with writer_lock(home, "mine", timeout=0):
        assert process.stdout is not None
        told = process.stdout.read()
    assert "WriterBusyError: the run that started this process was killed" in told
    assert "writing" not in told


def test_what_a_writer_starts_may_open_what_it_writes_more_than_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    with writer_lock(home, "mine"):
        monkeypatch.setenv("DAYBOOK_WRITER", str(os.getpid()))
        with writes_for_the_writer(home), writes_for_the_writer(home):
            pass


def test_what_was_started_by_a_writer_that_another_one_has_replaced_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number is not enough: a process that was killed has one until its parent has noticed."""
    home = Home(tmp_path)
    with writer_lock(home, "mine"):
        monkeypatch.setenv("DAYBOOK_WRITER", str(os.getppid()))
        with pytest.raises(WriterBusyError, match="was killed"), writes_for_the_writer(home):
            pass
