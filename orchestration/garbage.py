"""How often Python looks for garbage in a command that starts, does the work of one night, and ends."""

from __future__ import annotations

import gc


def collect_rarely() -> None:
    """Let this process look through its young objects seldom, and through all of them hardly ever.

    Dagster and dbt make objects by the hundred thousand as they start, nearly all of which live as long as the process.
    By default Python goes through every one of them again and again: a fifth of the time that their imports take, a
    tenth of a `dbt build`. What dbt makes for each node and drops again is still found young.
    """
    gc.set_threshold(100_000, 10, 10)
