"""The dbt-duckdb plugin of the project: dbt reads the raw lake through it, and is the one writer while it runs.

The lake appears as views that leave nothing behind in the warehouse. A dbt that somebody starts by hand waits for a
night that is under way, and a night for it: DuckDB itself would fail one of them with a lock error.
"""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from ingestion.home import Home
from ingestion.lake import attach_lake
from ingestion.lock import writer_lock, writes_for_the_writer, writes_on_behalf
from ingestion.memory import limit_memory
from orchestration.databases import unsign


class Plugin(BasePlugin):
    """Attaches the lake to the connection that dbt opens, and holds the writer lock while that is open."""

    def initialize(self, config: dict[str, Any]) -> None:
        """Called by dbt-duckdb before it opens a database. Whoever holds the database waits for nothing else."""
        self._held = ExitStack()
        home = Home.from_env()
        if writes_on_behalf():
            self._held.enter_context(writes_for_the_writer(home))
        else:
            self._held.enter_context(writer_lock(home, "dbt, started by hand"))
            unsign(home)  # whatever it builds, it may be a part

    def configure_connection(self, conn: Any) -> None:
        """Called by dbt-duckdb with the new DuckDB connection, which would outlive a failure within its traceback."""
        release = weakref.finalize(conn, self._held.close)
        try:
            limit_memory(conn)
            attach_lake(conn, Home.from_env())
        except Exception:
            conn.close()
            release()
            raise
