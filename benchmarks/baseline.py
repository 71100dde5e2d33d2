"""Daybook's marts of the study system by hand: runs `baseline.sql` from a landing folder into one database file."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

import duckdb

from benchmarks.landing import as_of as end_of
from benchmarks.landing import files

SCRIPT = Path(__file__).with_name("baseline.sql")
SHIPPED = Path(__file__).resolve().parents[1] / "mastery" / "shipped.json"
SNAPSHOTS = ("topics", "topic_prerequisites", "questions")


def build(
    landing: Path,
    database: Path,
    as_of: datetime | None = None,
    model: Path = SHIPPED,
    threads: int | None = None,
    only_events: bool = False,
) -> None:
    """Build the marts of a landing's study extracts from scratch.

    Args:
        landing: Its events all come as NDJSON, packed or not, or all as Parquet.
        database: The file to write; there must be none.
        as_of: The instant up to which the marts speak; by default the end of the newest extract date.
        model: A fitted model of topic mastery, as JSON.
        threads: How many the engine may use; as many as there are cores, if not given.
        only_events: Stop behind the table `events`: the raw events, typed, each once.
    """
    if database.exists():
        raise FileExistsError(database)
    events = files(landing, "events")
    if not events:
        raise FileNotFoundError(f"{landing}/study has no events")
    variables: dict[str, object] = {
        "events": [str(path) for path in events],
        "format": "parquet" if events[0].suffix == ".parquet" else "ndjson",
        "model": str(model),
        "as_of": as_of or end_of(landing),
        **{stream: str(found[-1]) for stream in SNAPSHOTS if (found := files(landing, stream))},
    }
    with duckdb.connect(str(database), config={"threads": threads} if threads else {}) as con:
        for name, value in variables.items():
            con.execute(f"set variable {name} = ?", [value])
        head, events_section, *marts = SCRIPT.read_text().split("\n-- ## ")
        con.execute("\n-- ## ".join([head, events_section, *([] if only_events else marts)]))


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("landing", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("--as-of", type=datetime.fromisoformat)
    arguments = parser.parse_args()
    build(arguments.landing, arguments.database, arguments.as_of)


if __name__ == "__main__":
    main()
