"""Daybook's commands as processes of their own, on a home of a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ingestion.home import Home

CHECKOUT = Path(__file__).resolve().parents[2]


def run(home: Home, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which is a quarter of an hour away at most."""
    return subprocess.run(
        [sys.executable, "-m", "orchestration", *command],
        cwd=CHECKOUT,
        env={**os.environ, "DAYBOOK_HOME": str(home.root)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )


def start(home: Home, *command: str, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """Start a command as the leader of a group, behind another program if need be; both its outputs are in one pipe."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "orchestration", *command],
        cwd=CHECKOUT,
        env={**os.environ, "DAYBOOK_HOME": str(home.root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
