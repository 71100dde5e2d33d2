"""dbt's `graph` as far as the SQL linter needs it: every model has two columns."""

from collections import defaultdict
from types import SimpleNamespace

nodes: defaultdict[str, SimpleNamespace] = defaultdict(
    lambda: SimpleNamespace(columns={"event_id": None, "event_type": None})
)
