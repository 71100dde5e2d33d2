"""How much memory the engine may take before it spills to the disk."""

from __future__ import annotations

import os

import duckdb

from ingestion.sql import quoted

_VARIABLE = "DAYBOOK_MEMORY"


def limit_memory(con: duckdb.DuckDBPyConnection) -> None:
    """Hold an engine to `DAYBOOK_MEMORY` (such as `4GB`); without that, it takes up to 80 % of the machine's.

    Raises ValueError where the variable is no size.
    """
    wanted = os.environ.get(_VARIABLE)
    if wanted:
        try:
            con.execute(f"set memory_limit = {quoted(wanted)}")
        except duckdb.Error:
            raise ValueError(f"{_VARIABLE} is {wanted!r}; it has to be a size, such as 4GB") from None


def why_no_limit() -> str | None:
    """Why the memory that was asked for cannot be a limit; None where it can, or nothing was asked for."""
    with duckdb.connect() as con:
        try:
            limit_memory(con)
        except ValueError as error:
            return str(error)
    return None
