"""Small sets of attempts for tests: read as the marts are, from a DuckDB table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb
import pyarrow as pa

from mastery.attempts import Attempts, read_attempts

Row = tuple[str, str, str, datetime, bool]  # learner, topic, question, time, whether it is correct


def attempts_of(rows: Iterable[Row], hinted: frozenset[int] = frozenset()) -> Attempts:
    """Attempts with ids in the order given; those at the positions in `hinted` had a hint."""
    columns = list(zip(*rows, strict=True))
    rows_as_table = pa.table(
        {
            "attempt_id": [f"{number:09}" for number in range(len(columns[0]))],
            "user_id": columns[0],
            "topic_id": columns[1],
            "question_id": columns[2],
            "attempted_at": columns[3],
            "is_correct": columns[4],
            "hint_used": [number in hinted for number in range(len(columns[0]))],
        }
    )
    with duckdb.connect() as con:
        con.register("attempts", rows_as_table)
        return read_attempts(con, "attempts")
