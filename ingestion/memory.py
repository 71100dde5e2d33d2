"""How much memory the engine may take before it spills to the disk."""

from __future__ import annotations

import os

import duckdb

from ingestion.sql import quoted


def limit_memory(con: duckdb.DuckDBPyConnection, share: float = 1) -> None:
    """Give an engine its share of `DAYBOOK_MEMORY` (such as `4GB`); without that, of what DuckDB takes by itself.

    That is 80 % of the machine's. Raises ValueError where the variable is no size.
    """
    wanted = os.environ.get("DAYBOOK_MEMORY")
    if wanted:
        try:
            con.execute(f"set memory_limit = {quoted(wanted)}")
        except duckdb.Error:
            raise ValueError(f"DAYBOOK_MEMORY is {wanted!r}; it has to be a size, such as 4GB") from None
    [(limit,)] = con.execute("select current_setting('memory_limit')").fetchall()
    amount, unit = limit.split()
    con.execute(f"set memory_limit = '{float(amount) * share} {unit}'")
