"""Loads a landing zone as the night does, in a process of its own: what hangs or dies takes no test with it.

    python -m tests.hostile.child HOME pending|all

prints, as JSON, what became of each extract, what was passed over, and the most memory that the process held.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from ingestion.extracts import ExtractError, discover
from ingestion.home import Home
from ingestion.load import Loader, pending


def main(root: str, what: str) -> None:
    home = Home(Path(root))
    found = discover(home)
    extracts = pending(home) if what == "pending" else found.extracts
    loads, failures = [], []
    with Loader(home) as loader:
        for extract, outcome in loader.load_all(extracts):
            if isinstance(outcome, ExtractError):
                failures.append([extract.system, extract.stream, str(extract.extract_date), str(outcome)])
            else:
                loads.append([extract.system, extract.stream, str(extract.extract_date), outcome.load_id])
    told = {"loads": loads, "failures": failures, "warnings": found.warnings, "peak_bytes": peak_bytes()}
    print(json.dumps(told))


def peak_bytes() -> int:
    """The most memory that this process held. What `resource` says counts the process that it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        [kilobytes] = [line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(kilobytes) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
