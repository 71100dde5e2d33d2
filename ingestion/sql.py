"""Names and texts as they stand in SQL."""

from __future__ import annotations

import re
from pathlib import Path


def quoted(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def file_name(path: Path) -> str:
    """The path of one file as an SQL literal: the engine reads a path with a wildcard in it as a pattern of paths.

    Raises ValueError where a backslash comes with it: there is no pattern for that one file.
    """
    text = str(path)
    if any(mark in text for mark in "*?["):
        if "\\" in text:
            raise ValueError("there is a backslash beside a wildcard (*, ? or [) in its path")
        text = re.sub(r"[*?\[]", r"[\g<0>]", text)
    return quoted(text)


def identifier(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
