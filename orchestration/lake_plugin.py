"""The dbt-duckdb plugin through which dbt reads the raw lake: views that leave nothing behind in the warehouse."""

from __future__ import annotations

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from ingestion.home import Home
from ingestion.lake import attach_lake


class Plugin(BasePlugin):
    """Attaches the lake to each connection that dbt opens."""

    def configure_connection(self, conn: Any) -> None:
        """Called by dbt-duckdb with the new DuckDB connection."""
        attach_lake(conn, Home.from_env())
