"""A stream's fields as DuckDB SQL, put together as NDJSON lines, CSV records or columns of Parquet.

The text of a file comes out of DuckDB as one Arrow string per row, line end included: laid end to end, as Arrow keeps
them anyway, they are the file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Cell:
    """One field: SQL for its value. A NULL leaves the field out."""

    name: str
    sql: str
    form: Literal["text", "number", "time", "json"] = "text"

    def as_json(self) -> str:
        """SQL for the value as JSON text. Text must need no escapes: the demo's ids and names need none."""
        if self.form in ("text", "time"):
            return f"'\"' || {self._text()} || '\"'"
        return f"({self.sql})::varchar"

    def as_csv(self) -> str:
        """SQL for the value as a CSV cell."""
        if self.form == "json":
            return f"coalesce('\"' || replace({self.sql}, '\"', '\"\"') || '\"', '')"
        return f"coalesce({self._text()}, '')"

    def _text(self) -> str:
        if self.form == "time":
            # strftime would write microseconds that are not there.
            return f"(replace(({self.sql})::varchar, ' ', 'T') || zone)"
        return f"({self.sql})::varchar"


def value(name: str, sql: str) -> Cell:
    """A field whose SQL gives a number, a boolean or JSON text: in JSON it stands as it is."""
    return Cell(name, sql, "json")


def members(first: Cell, *others: Cell) -> str:
    """SQL for a JSON object. The first field must never be NULL: the commas hang on the others."""
    parts = [_quoted(f'{{"{first.name}":'), first.as_json()]
    parts += [_quoted(f',"{cell.name}":') + " || " + cell.as_json() for cell in others]
    return f"concat({', '.join(parts)}, '}}')"


def ndjson(cells: Sequence[Cell]) -> str:
    """SQL for a line of NDJSON."""
    return f"concat({members(*cells)}, chr(10))"


def csv(cells: Sequence[Cell]) -> str:
    """SQL for a record of CSV."""
    return f"concat({', chr(44), '.join(cell.as_csv() for cell in cells)}, chr(10))"


def csv_header(cells: Sequence[Cell]) -> str:
    """The first line of a CSV file."""
    return ",".join(cell.name for cell in cells) + "\n"


def columns(cells: Sequence[Cell]) -> str:
    """SQL for the columns of Parquet."""
    return ", ".join(f'{cell.sql} as "{cell.name}"' for cell in cells)


def pick(values: Sequence[object], number: str) -> str:
    """SQL for one of some JSON values, by a number."""
    texts = ", ".join(_quoted(json.dumps(value, ensure_ascii=False)) for value in values)
    return f"([{texts}])[1 + ({number}) % {len(values)}]"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
