"""The `daybook-dbt` command: dbt, but quick to say its version.

dagster-dbt asks `dbt --version` before each invocation, and dbt takes three seconds to answer: it looks at every
adapter and asks PyPI for newer ones. Everything else goes to dbt as it is.
"""

from __future__ import annotations

import sys
from importlib.metadata import version


def main() -> None:
    """Run dbt with the arguments of the command line."""
    if sys.argv[1:] == ["--version"]:
        print(f"Core:\n  - installed: {version('dbt-core')}")
        return
    from dbt.cli.main import cli

    cli(prog_name="dbt")
