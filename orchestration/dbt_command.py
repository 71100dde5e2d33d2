"""The `daybook-dbt` command: dbt on the engine that `DAYBOOK_ENGINE` names, without what it spends time on in vain.

dagster-dbt asks `dbt --version` before each invocation, and dbt takes three seconds to answer: it looks at every
adapter and asks PyPI for newer ones. dbt writes each of its thousands of debug messages as JSON before it finds that
nobody wants them, and parses the project anew where the database is another file. And Python goes through all that dbt
holds to find garbage (`garbage`). On DuckDB everything else goes to dbt as it is; on Spark the lake has to be shown
first, and what was built handed over behind it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from orchestration.garbage import collect_rarely


def main() -> None:
    """Run dbt with the arguments of the command line."""
    if sys.argv[1:] == ["--version"]:
        print(f"Core:\n  - installed: {version('dbt-core')}")
        return
    save_time()
    if os.environ.get("DAYBOOK_ENGINE") == "spark":
        from orchestration.spark import run_dbt

        sys.exit(run_dbt(sys.argv[1:]))
    from dbt.cli.main import cli

    cli(prog_name="dbt")


def save_time() -> None:
    """Let dbt, in this process, do without what it spends time on in vain."""
    collect_rarely()
    drop_unheard_messages()
    share_what_is_parsed()


def drop_unheard_messages() -> None:
    """Let dbt, in this process, drop a debug message that no logger shows before it is put into words."""
    from dbt_common.events.base_types import EventLevel
    from dbt_common.events.event_manager import EventManager
    from dbt_common.events.event_manager_client import ctx_set_event_manager

    debug = {EventLevel.DEBUG, EventLevel.TEST}

    class Heard(EventManager):
        def fire_event(self, e: Any, level: EventLevel | None = None, *args: Any, **kwargs: Any) -> None:
            if (level or e.level_tag()) not in debug or any(logger.level in debug for logger in self.loggers):
                super().fire_event(e, level, *args, **kwargs)

    ctx_set_event_manager(Heard())


def share_what_is_parsed() -> None:
    """Let dbt, in this process, use what it has parsed for one home in another: its files do not tell homes apart.

    dbt takes the path of the database for something that a model may be made of, and parses all of the project again
    where it is another one: four seconds of 2 cores.
    """
    from dbt.adapters.duckdb.credentials import DuckDBCredentials

    all_keys: Callable[[Any], tuple[str, ...]] = DuckDBCredentials._connection_keys

    def keys_but_paths(self: DuckDBCredentials) -> tuple[str, ...]:
        return tuple(key for key in all_keys(self) if key not in ("path", "attach"))

    DuckDBCredentials._connection_keys = keys_but_paths  # type: ignore[method-assign]
