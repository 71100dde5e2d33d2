"""What a bench has measured so far, kept beside what it measures: one that was cut off goes on where it stopped.

What belongs here: keeping, and what must not be mixed. What does not: what is measured.
"""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.measurements import Sizes
from orchestration.code_version import code_version, hash_files

Measured = TypeVar("Measured")


class OtherMeasurements(Exception):
    """What is kept was measured with other sizes, or of other code; the message says where it lies."""


class Kept:
    """The measurements of one bench, each a file of a folder."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        """Make the folder, or go on with what is kept in it. Raises OtherMeasurements."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        this = (sizes, code_version(), hash_files([Path(__file__).parent]))
        kept, self.begun = self.once("bench", lambda: (this, dt.datetime.now(dt.UTC)))
        if kept != this:
            raise OtherMeasurements(f"{folder} holds measurements of other sizes, or of other code; remove it first")

    def once(self, name: str, measured: Callable[[], Measured]) -> Measured:
        """What was measured under a name; measured now, if it was not yet."""
        path = self._folder / f"{name}.pickle"
        if path.exists():
            found: Measured = pickle.loads(path.read_bytes())
            return found
        result = measured()
        whole = path.with_suffix(".new")
        whole.write_bytes(pickle.dumps(result))
        whole.rename(path)
        return result
