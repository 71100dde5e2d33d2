"""What a bench has measured so far, kept beside what it measures: one that was cut off goes on where it stopped.

What belongs here: keeping, and what must not be mixed. What does not: what is measured.
"""

from __future__ import annotations

import datetime as dt
import pickle
import platform
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

from benchmarks.measurements import Sizes
from orchestration.code_version import code_version, hash_files

Measured = TypeVar("Measured")

# The page and its plot are what a run writes: they do not decide what is measured.
_CODE = {".py", ".sql", ".yaml"}


_LIBRARIES = ("duckdb", "dbt-core", "dbt-duckdb", "dagster", "deltalake", "pyarrow", "pandas", "dlt", "pyspark")


class OtherMeasurements(Exception):
    """What is kept was measured with other sizes, or of other code or libraries; the message says where it lies."""


@dataclass(frozen=True)
class Begun:
    """Of what a bench is, when it began, and on which revision."""

    sizes: Sizes
    code: tuple[str, str]
    versions: tuple[str, ...]
    at: dt.datetime
    revision: str


class Kept:
    """The measurements of one bench, each a file of a folder."""

    def __init__(self, folder: Path, sizes: Sizes) -> None:
        """Make the folder, or go on with what is kept in it. Raises OtherMeasurements."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        code = code_version(), hash_files(sorted(_code()))
        # The revision as it was then: the page that a run writes makes it another one.
        begun = self.once("bench", lambda: Begun(sizes, code, versions(), dt.datetime.now(dt.UTC), _revision()))
        # What was not installed then was not measured, and may be now.
        if (
            not isinstance(begun, Begun)
            or (begun.sizes, begun.code) != (sizes, code)
            or not {*begun.versions} <= {*versions()}
        ):
            raise OtherMeasurements(f"{folder} holds measurements of other sizes, code or libraries; remove it first")
        self.begun = begun

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


def _code() -> Iterator[Path]:
    """The files that decide what a bench measures, and how."""
    return (path for path in Path(__file__).parent.rglob("*") if path.suffix in _CODE)


def versions() -> tuple[str, ...]:
    """The versions of what is measured, and of what it is measured beside."""
    found = [f"Python {platform.python_version()}"]
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):
            found.append(f"{library} {version(library)}")
    return tuple(found)


def _revision() -> str:
    """The revision of the code, where it is a clone of the repository; empty where it is none."""
    git = ["git", "-C", str(Path(__file__).parent)]
    with suppress(OSError, subprocess.CalledProcessError):
        revision = _told([*git, "describe", "--always"])
        pages = [
            f":!{path.name}" for path in Path(__file__).parent.iterdir() if path.is_file() and path.suffix not in _CODE
        ]
        is_dirty = _told([*git, "status", "--porcelain", "--", ":/", *pages])
        return revision + ("-dirty" if is_dirty else "")
    return ""


def _told(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
