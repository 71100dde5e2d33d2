"""The dbt sources of the streams, written from the contracts.

`python -m orchestration.source_docs` writes them anew after a change of a contract.

What belongs here: `models/staging/sources.yml`, its tables, columns, types and descriptions. What does not: the lake's
own books (`models/staging/operations/sources.yml`), which no contract describes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ingestion.contract import Stream, load_contracts, raw_columns

SOURCES = Path(__file__).resolve().parent.parent / "dbt_project" / "models" / "staging" / "sources.yml"

_HEAD = """\
# Written from ingestion/contracts by `python -m orchestration.source_docs`; a test says when it is out of date.
"""

_ADDED_BY_THE_LOADER = (
    ("load_id", "VARCHAR", "The load that wrote the row."),
    ("extract_date", "DATE", "The extract date: the UTC day on which the source system received the row."),
)


def render() -> str:
    """The whole file."""
    streams = [stream for contract in load_contracts().values() for stream in contract.streams]
    source = {
        "name": "lake",
        "description": "The raw lake, as views over the active files of its Delta tables.",
        # Where the engine has databases; elsewhere the schema alone.
        "database": "{{ 'lake' if target.database else none }}",
        "schema": "raw",
        "tables": [_table(stream) for stream in streams],
    }
    return _HEAD + yaml.dump({"sources": [source]}, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def _table(stream: Stream) -> dict[str, Any]:
    held = stream.description[0].lower() + stream.description[1:]
    return {
        "name": f"{stream.system}_{stream.name}",
        "description": f"One row a delivered copy, of those that passed every check at load. By its contract: {held}",
        "config": {"meta": {"dagster": {"asset_key": [stream.system, stream.name]}}},
        "columns": [
            {"name": name, "data_type": kind.lower(), "description": description}
            for name, kind, description in (*raw_columns(stream), *_ADDED_BY_THE_LOADER)
        ],
    }


class _Dumper(yaml.SafeDumper):
    """YAML as the linter wants it: items of a list are indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


if __name__ == "__main__":
    SOURCES.write_text(render(), encoding="utf-8")
