"""The `daybook-dbt` command: dbt on the engine that `DAYBOOK_ENGINE` names, without two things that it spends time on.

dagster-dbt asks `dbt --version` before each invocation, and dbt takes three seconds to answer: it looks at every
adapter and asks PyPI for newer ones. And dbt writes each of its thousands of debug messages as JSON before it finds
that nobody wants them. On DuckDB everything else goes to dbt as it is; on Spark the lake has to be shown first, and
what was built handed over behind it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from typing import Any


def main() -> None:
    """Run dbt with the arguments of the command line."""
    if sys.argv[1:] == ["--version"]:
        print(f"Core:\n  - installed: {version('dbt-core')}")
        return
    drop_unheard_messages()
    if os.environ.get("DAYBOOK_ENGINE") == "spark":
        from orchestration.spark import run_dbt

        sys.exit(run_dbt(sys.argv[1:]))
    from dbt.cli.main import cli

    cli(prog_name="dbt")


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
