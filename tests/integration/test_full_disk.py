"""A night on a disk that is full, and in a folder where it may not write: it says so, and the next one repairs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ingestion.demo import generate
from ingestion.home import Home
from tests.integration.commands import start


def night(home: Home, *before: str) -> tuple[int, str]:
    """The exit status of a night, and what it said."""
    running = start(home, "nightly", before=before)
    told, _ = running.communicate()
    return running.returncode, told


def night_whose_disk_fills_up(home: Home, ballast: Path) -> tuple[int, str]:
    """The same of a night behind whose first models no byte is left."""
    running = start(home, "nightly")
    assert running.stdout is not None
    told = ""
    for line in running.stdout:
        told += line
        if line.startswith("transform:"):
            break
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 65536)
    told += running.communicate()[0]
    return running.returncode, told


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 100 MB."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "daybook", disk], check=False)
    if mounted.returncode:
        pytest.skip("this system lets nobody mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.found("a full disk")
def test_a_full_disk_is_told_and_the_next_night_repairs(small_disk: Path) -> None:
    """A full disk ended in two pages of a traceback of the history of runs, and without a word on the cause."""
    home = Home(small_disk / "home")
    generate(home, learners=4, days=2)
    ballast = small_disk / "ballast"
    room = shutil.disk_usage(small_disk).free

    ballast.write_bytes(b"0" * (room - 40_000_000))
    status, told = night(home)
    assert status == 2, told
    assert "the disk is full, or nearly: 40 MB are free, 64 MB are needed" in told
    assert not home.lake.exists()

    ballast.unlink()
    status, told = night_whose_disk_fills_up(home, ballast)
    assert status == 1, told
    assert "No space left on device" in told or "the disk is full, or nearly" in told
    assert not home.published.exists()

    ballast.unlink()
    status, told = night(home)
    assert status == 0, told
    with duckdb.connect(str(home.published), read_only=True) as con:
        [(books,)] = con.execute("select count(distinct extract_date) from marts.event_ledger").fetchall()
    assert books == 2


@pytest.mark.parametrize("folder", ["lake", "work", "published", "."])
def test_a_folder_without_permission_is_named(folder: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    generate(home, learners=1, days=1)
    locked = home.root / folder
    locked.mkdir(exist_ok=True)
    locked.chmod(0o555)
    as_a_user = []
    if os.geteuid() == 0:  # who may write everywhere, if nothing is taken away
        if not shutil.which("setpriv"):
            pytest.skip("root may write everywhere")
        as_a_user = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    status, told = night(home, *as_a_user)
    locked.chmod(0o755)
    assert status == 2, told
    assert told == f"{locked.resolve()}: this user has no permission to write there\n"
