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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"loads": loads, "failures": failures, "warnings": found.warnings, "peak_bytes": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
