"""Which code builds: a hash of files, and of everything that decides what is built from a lake.

What belongs here: hashing. What does not: what follows from a change (`manifest`, `nightly`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parent.parent
_CODE = ("dbt_project", "ingestion", "mastery", "orchestration")
_ENGINES = ("dbt-core", "dbt-duckdb", "duckdb", "dagster")

# What tools leave behind, and what decides nothing.
_NOT_SOURCES = {"target", "logs", "dbt_packages", "__pycache__"}


def code_version() -> str:
    """A name for the code, the settings and the libraries that make marts of a lake, and check them."""
    digest = hashlib.sha256(hash_files(_CHECKOUT / name for name in _CODE).encode())
    for library in _ENGINES:
        digest.update(f"{library} {version(library)}\0".encode())
    digest.update((os.environ.get("DAYBOOK_ENGINE") or "duckdb").encode())
    return digest.hexdigest()[:16]


def _is_left_behind(path: Path) -> bool:
    return any(part in _NOT_SOURCES or part.startswith(".") for part in path.parts)


def hash_files(roots: Iterable[Path]) -> str:
    """A hash of names and contents of files, and of those in folders."""
    digest = hashlib.sha256()
    for root in roots:
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and not _is_left_behind(path.relative_to(root)):
                digest.update(f"{path.relative_to(root.parent)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
