"""Daybook's marts of the study system by hand: runs `baseline.sql` from a landing folder into one database file."""

from __future__ import annotations

import argparse
import re
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb

SCRIPT = Path(__file__).with_name("baseline.sql")
SHIPPED = Path(__file__).resolve().parents[1] / "mastery" / "shipped.json"
SNAPSHOTS = ("topics", "topic_prerequisites", "questions")


def build(
    landing: Path,
    database: Path,
    as_of: date | None = None,
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
    study = landing / "study"
    events = _files(study, "events")
    if not events:
        raise FileNotFoundError(f"{study} has no events")
    if as_of is None:
        as_of = date.fromisoformat(events[-1].parent.name) + timedelta(days=1)
    variables: dict[str, object] = {
        "events": [str(path) for path in events],
        "format": "parquet" if events[0].suffix == ".parquet" else "ndjson",
        "model": str(model),
        "as_of": as_of if isinstance(as_of, datetime) else datetime.combine(as_of, time()),
        **{stream: str(files[-1]) for stream in SNAPSHOTS if (files := _files(study, stream))},
    }
    with duckdb.connect(str(database), config={"threads": threads} if threads else {}) as con:
        for name, value in variables.items():
            con.execute(f"set variable {name} = ?", [value])
        head, events_section, *marts = SCRIPT.read_text().split("\n-- ## ")
        con.execute("\n-- ## ".join([head, events_section, *([] if only_events else marts)]))


def _files(folder: Path, stream: str) -> list[Path]:
    """The files of a stream in the order of extract dates and names."""
    return sorted(path for path in folder.glob("*/*") if re.match(rf"{stream}[-.]", path.name))


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
