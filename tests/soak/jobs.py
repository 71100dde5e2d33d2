"""What a process of the soak is given to do, each in a folder of its own."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.hostile.run import Outcome, run_many
from tests.soak.kills import DoomedHome, Kills, every_boundary

KILLS_OF_A_HOME = 10


def in_a_folder(trial: Callable[..., Any], *arguments: Any) -> Any:
    """Run a trial in a temporary folder, which is removed behind it."""
    root = Path(mkdtemp(prefix="daybook-soak-"))
    try:
        return trial(root, *arguments)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def killed(root: Path, seed: int, kills: int) -> Kills:
    """Kill the nights of one home, beginning at another boundary for each seed."""
    places = itertools.islice(every_boundary(seed // 3), (seed % 3) * KILLS_OF_A_HOME, None)
    return DoomedHome(root, seed).nights(kills, places, tell=lambda line: print(f"  home {seed}: {line}", flush=True))


def hostile(root: Path, seed: int, folders: int) -> Outcome:
    """Load hostile landing folders, one a seed."""
    return run_many(range(seed, seed + folders), root)
