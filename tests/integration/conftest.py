"""What holds for all tests of whole warehouses."""

from __future__ import annotations

from typing import Any

from orchestration.lake_plugin import Plugin

_configure = Plugin.configure_connection


def _configure_one_thread(plugin: Plugin, conn: Any) -> None:
    """Let DuckDB have one thread where dbt runs in the process of a test; commands, and so the kills, have all.

    These tests build next to nothing, beside other workers: what threads tell each other costs a sixth.
    """
    _configure(plugin, conn)
    conn.execute("set threads = 1")


Plugin.configure_connection = _configure_one_thread  # type: ignore[method-assign]
