"""dbt's `adapter` as far as the SQL linter needs it: a dispatched macro stands for a call of its own name."""

from collections.abc import Callable


def dispatch(macro: str) -> Callable[..., str]:
    """Returns a function that renders as a plausible SQL call of the macro."""
    return lambda *arguments: f"{macro}({', '.join(str(argument) for argument in arguments)})"
