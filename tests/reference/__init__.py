"""An independent, simple, slow implementation of the marts in plain Python, from the specification's text alone.

It is the other side of every comparison with the SQL: `build` takes the rows of the extracts and gives the marts.
What belongs here: what `marts.md` and `events.md` say, as directly as Python can say it.
What does not: anything read off the dbt models, and anything clever.
"""

from tests.reference.compare import assert_same, compare
from tests.reference.marts import COLUMNS, KEYS, SHIPPED, Funnel, Model, build
from tests.reference.reading import Load, Row

__all__ = ["COLUMNS", "KEYS", "SHIPPED", "Funnel", "Load", "Model", "Row", "assert_same", "build", "compare"]
