"""Clean study extracts at the edges of what a benchmark has: late events, copies, ties, sessions over midnight.

What belongs here: which lines of a random history are clean enough for a script that judges nothing, and where they
lie. What does not: the histories themselves (`tests/reference`).
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.integration.warehouse import as_if_fitted
from tests.reference import Load, Model, Row
from tests.reference.deals import SNAPSHOTS, Hand, deal, hand
from tests.reference.histories import Files, Line, Name, history, rows_of, write_file

LONGEST_TEXT = 64  # what is longer, or has structure, Daybook replaces
KEYS = {
    "topics": ("topic_id",),
    "topic_prerequisites": ("topic_id", "prerequisite_topic_id"),
    "questions": ("question_id",),
}
REST = {"topics": {"level": "1", "parent_topic_id": None}}  # columns that the histories leave out


@dataclass(frozen=True)
class Delivery:
    """Extracts, and the model of topic mastery that scores them."""

    files: Files
    model: Model

    def write(self, landing: Path) -> None:
        """Write the extracts into a landing folder."""
        for name, lines in self.files.items():
            write_file(landing, name, lines, 0)

    def write_model(self, path: Path) -> None:
        """Write the model as `mastery/shipped.json` has one."""
        fitted = as_if_fitted(self.model)
        difficulties = fitted.difficulties.to_pylist()
        document = {"version": fitted.version, "coefficients": fitted.coefficients, "difficulties": difficulties}
        path.write_text(json.dumps(document))

    def rows(self) -> list[Row]:
        """The reference's input."""
        return [row for name, lines in self.files.items() for row in rows_of(name, lines)]

    def loads(self) -> list[Load]:
        """Every (system, stream, extract date) that has a file."""
        return sorted({Load(name.system, name.stream, name.extract_date) for name in self.files})


def delivery(seed: int, nights: int, learners: int) -> Delivery:
    """What the study app says in a random history, dealt out over extract dates and files, some of it twice."""
    world = history(seed, nights=100, snapshots=True, rejects=False, learners=learners)
    drawn = hand(world, nights)
    events = [
        ("study", "events", plain(line)) for system, _, line in drawn.lines if system == "study" and is_clean(line)
    ]
    dealt = deal(Hand(tuple(events), drawn.dates), random.Random(seed))
    files = {name: lines for name, lines in dealt.files.items() if name.system == "study"}
    for stream in SNAPSHOTS:
        said = [row for row in world.rows() if row.stream == stream]
        newest = {
            tuple(row.payload[key].lower() for key in KEYS[stream]): row.payload
            for row in said
            if row.extract_date == max(row.extract_date for row in said) and "@" not in str(row.payload)
        }
        documents = [{**REST.get(stream, {}), **row} for row in newest.values()]
        files[Name("study", drawn.dates[-1], f"{stream}.ndjson")] = tuple(Line(json.dumps(d)) for d in documents)
    return Delivery(files, world.champion())


def is_clean(line: Line) -> bool:
    """Whether Daybook keeps every value of an event as it is."""
    return all(is_short(value) for value in line.document.get("properties", {}).values())


def is_short(value: Any) -> bool:
    """Whether a value is a short one, or a list of ids."""
    return len(value) <= LONGEST_TEXT if isinstance(value, str) else value != [1, 2]


def plain(line: Line) -> Line:
    """The line with the T of its instants as a capital: DuckDB reads no other."""
    return replace(line, text=re.sub(r"(\d)t(\d)", r"\1T\2", line.text))
