"""The `daybook-dbt` command: dbt on the engine that `DAYBOOK_ENGINE` names, without what it spends time on in vain.

dagster-dbt asks `dbt --version` before each invocation, and dbt takes three seconds to answer: it looks at every
adapter and asks PyPI for newer ones. What else dbt spends time on in vain is in `dbt_patches`. On DuckDB everything
else goes to dbt as it is; on Spark the lake has to be shown first, and what was built handed over behind it.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from orchestration.dbt_patches import save_time


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
