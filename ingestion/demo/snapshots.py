"""The reference data of the study app: topics, their prerequisites and questions, whole once a week."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.demo.files import Written, write_parquet, write_text
from ingestion.demo.world import QUESTIONS_PER_TOPIC, SUBJECTS, Curriculum

EVERY_DAYS = 7
FORMATS = ("csv", "ndjson", "csv.gz", "parquet")  # week after week
FLAWED_WEEK = 1  # the week whose `questions` hold a row twice, a row in two versions and one without an id


@dataclass(frozen=True)
class Snapshot:
    """One stream's rows of one day, and which of them Daybook has to refuse."""

    stream: str
    rows: list[dict[str, Any]]
    rejected: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    conflicts: int = 0


def snapshots(curriculum: Curriculum, day: int) -> list[Snapshot]:
    """The snapshots of an extract date; none on most."""
    if day % EVERY_DAYS:
        return []
    topics = [
        {"topic_id": subject, "name": name, "level": 0, "parent_topic_id": None}
        for subject, name in zip(curriculum.subject_ids, SUBJECTS, strict=True)
    ] + [
        {
            "topic_id": curriculum.topic_ids[i],
            "name": curriculum.topic_names[i],
            "level": curriculum.topic_levels[i],
            "parent_topic_id": curriculum.subject_ids[curriculum.subject_of_topic[i]],
        }
        for i in range(curriculum.topics)
    ]
    prerequisites = [
        {"topic_id": curriculum.topic_ids[topic], "prerequisite_topic_id": curriculum.topic_ids[needed]}
        for topic, all_needed in enumerate(curriculum.prerequisites)
        for needed in all_needed
    ]
    questions: list[dict[str, Any]] = [
        {
            "question_id": question_id,
            "topic_id": curriculum.topic_ids[i // QUESTIONS_PER_TOPIC],
            "difficulty": round(float(curriculum.question_difficulty[i]), 2),
        }
        for i, question_id in enumerate(curriculum.question_ids)
    ]
    of_questions = Snapshot("questions", questions)
    if day // EVERY_DAYS == FLAWED_WEEK:
        flaws = [questions[3], {**questions[5], "difficulty": 9.75}, {**questions[8], "question_id": None}]
        of_questions = Snapshot("questions", [*questions, *flaws], Counter({"missing_field": 1}), 1, 1)
    return [Snapshot("topics", topics), Snapshot("topic_prerequisites", prerequisites), of_questions]


def write_snapshot(folder: Path, day: int, snapshot: Snapshot) -> Written:
    """Write a snapshot in the format of its week."""
    suffix = FORMATS[day // EVERY_DAYS % len(FORMATS)]
    name, rows = f"{snapshot.stream}.{suffix}", snapshot.rows
    if suffix == "parquet":
        return write_parquet(folder, name, pa.Table.from_pylist(rows))
    text = _csv(rows) if suffix.startswith("csv") else "".join(json.dumps(row) + "\n" for row in rows)
    return write_text(folder, name, text.encode(), len(rows))


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
