"""From a seed to a landing full of extracts, and the truth behind them."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.demo import assessment, collaboration, recommendation, study, textbook
from ingestion.demo.feeds import Account, Feed
from ingestion.demo.files import Written, write_manifest
from ingestion.demo.learning import MICROSECONDS_PER_DAY, sigmoid
from ingestion.demo.snapshots import snapshots, write_snapshot
from ingestion.demo.streams import (
    Period,
    assessment_feeds,
    collaboration_feed,
    recommendation_feed,
    study_feed,
    textbook_feed,
)
from ingestion.demo.world import Curriculum, Learners, build_curriculum, build_learners
from ingestion.extracts import holds_files
from ingestion.home import Home

LEARNERS = 60
DAYS = 28
SEED = 1
START = dt.date(2026, 1, 5)

SYSTEMS = ("study", "assessment", "recommendation", "collaboration", "textbook")
MANIFEST_EVERY = 3  # days
WRITERS = 2
TRUTH = "demo_truth.json"
MASTERY_TRUTH = "demo_truth.parquet"

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True)
class DemoSummary:
    """What was written."""

    learners: int
    first_date: dt.date
    last_date: dt.date
    accounts: dict[tuple[str, str, dt.date], Account]  # by system, stream and extract date
    files: int
    bytes: int
    seconds: float

    @property
    def rows(self) -> int:
        """Rows delivered, of all streams."""
        return sum(account.rows for account in self.accounts.values())


def generate(
    home: Home,
    learners: int = LEARNERS,
    days: int = DAYS,
    seed: int = SEED,
    start: dt.date = START,
    progress: Progress | None = None,
    clean: bool = False,
) -> DemoSummary:
    """Write demo extracts of the five systems into the landing of a home, and the truth beside it.

    The same arguments give the same files, byte by byte. Nothing is in the landing before all is written.

    Args:
        home: where to write.
        learners: how many there are.
        days: the number of extract dates.
        seed: of all that is random.
        start: the first extract date.
        progress: told the dates written, the dates to write and the rows so far.
        clean: remove the extracts of an earlier demo first.

    Raises:
        FileExistsError: the landing holds extracts of these systems already.
    """
    if learners < 1 or days < 1:
        raise ValueError(f"a demo needs at least one learner and one day, not {learners} and {days}")
    began = time.monotonic()
    if clean:
        remove(home)
    for system in SYSTEMS:
        folder = home.landing / system
        if holds_files(folder):
            raise FileExistsError(f"{folder} holds extracts already; --clean removes those of an earlier demo")
    staging = home.root / "demo.tmp"
    shutil.rmtree(staging, ignore_errors=True)

    period = Period(seed, start, days)
    curriculum = build_curriculum(seed)
    people = build_learners(seed, learners, days, curriculum)
    studied = study.simulate(seed, curriculum, people, period.start_at, days)
    tested = assessment.simulate(seed, curriculum, people, period.start_at, days)
    with duckdb.connect(config={"threads": 1}) as con:
        feeds = [
            study_feed(con, period, curriculum, people, studied),
            *assessment_feeds(con, period, curriculum, people, tested),
            recommendation_feed(con, period, people, recommendation.simulate(seed, people, period.start_at, days)),
            collaboration_feed(con, period, people, collaboration.simulate(seed, people, period.start_at, days)),
            textbook_feed(con, period, people, textbook.simulate(seed, people, period.start_at, days)),
        ]
        accounts = {
            (system, stream, period.date(day)): account
            for day in range(days)
            for system, stream, account in _accounts(curriculum, feeds, day)
        }
        written: dict[str, Written] = {}
        with ThreadPoolExecutor(WRITERS) as writers:
            work = [writers.submit(_write_day, con, staging, period, curriculum, feeds, day) for day in range(days)]
            rows = 0
            for day, done in enumerate(work):
                files = done.result()
                written.update(files)
                rows += sum(file.rows for file in files.values())
                if progress:
                    progress(day + 1, days, rows)

    faults = Counter((feed.system, feed.stream, line.fault) for feed in feeds for line in feed.broken)
    truth = {
        "seed": seed,
        "learners": learners,
        "first_date": str(start),
        "last_date": str(period.date(days - 1)),
        "attempts": int(studied.attempts.sum()),
        "extracts": [
            {"system": system, "stream": stream, "extract_date": str(date), **account.as_json()}
            for (system, stream, date), account in accounts.items()
        ],
        "faults": [
            {"system": system, "stream": stream, "fault": fault, "lines": lines}
            for (system, stream, fault), lines in sorted(faults.items())
        ],
        "files": sorted(written),
    }
    (staging / TRUTH).write_text(json.dumps(truth, indent=1) + "\n")
    pq.write_table(_mastery_truth(period, curriculum, people, studied), staging / MASTERY_TRUTH)
    _hand_over(home, staging)
    return DemoSummary(
        learners=learners,
        first_date=start,
        last_date=period.date(days - 1),
        accounts=accounts,
        files=len(written),
        bytes=sum(file.bytes for file in written.values()),
        seconds=time.monotonic() - began,
    )


def remove(home: Home) -> None:
    """Remove the extracts of an earlier demo: the files that it wrote, and folders that are empty then."""
    truth = home.root / TRUTH
    if not truth.exists():
        return
    folders = set()
    for name in json.loads(truth.read_text())["files"]:
        file = home.landing / name
        file.unlink(missing_ok=True)
        folders.add(file.parent)
    for folder in sorted(folders):
        (folder / "manifest.json").unlink(missing_ok=True)
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()
    (home.root / MASTERY_TRUTH).unlink(missing_ok=True)
    truth.unlink()


def _write_day(
    con: duckdb.DuckDBPyConnection, staging: Path, period: Period, curriculum: Curriculum, feeds: list[Feed], day: int
) -> dict[str, Written]:
    """Write the folders of one extract date; gives the files by their path in the landing."""
    written: dict[str, Written] = {}
    with con.cursor() as cursor:
        for system in SYSTEMS:
            name = f"{system}/{period.date(day)}"
            folder = staging / "landing" / name
            folder.mkdir(parents=True)
            files = [file for feed in feeds if feed.system == system for file in feed.write(cursor, folder, day)]
            if system == "study":
                files += [write_snapshot(folder, day, snapshot) for snapshot in snapshots(curriculum, day)]
            if day % MANIFEST_EVERY == 0:
                write_manifest(folder, files)
            written.update({f"{name}/{file.name}": file for file in files})
    return written


def _accounts(curriculum: Curriculum, feeds: list[Feed], day: int) -> Iterator[tuple[str, str, Account]]:
    """The truth of the extracts of a date."""
    for feed in feeds:
        yield feed.system, feed.stream, feed.account(day)
    for snapshot in snapshots(curriculum, day):
        account = Account(len(snapshot.rows), snapshot.rejected, snapshot.duplicates, snapshot.conflicts)
        yield "study", snapshot.stream, account


def _mastery_truth(period: Period, curriculum: Curriculum, learners: Learners, studied: study.Study) -> pa.Table:
    """What is true of each learner at each topic when the period ends: see `learning.py` for the model."""
    topics = curriculum.topics
    ability = learners.ability.reshape(-1)
    gain, forgetting = np.repeat(learners.gain, topics), np.repeat(learners.forgetting, topics)
    difficulty = np.tile(curriculum.topic_difficulty, len(learners.ids))
    answers = studied.answers
    has_attempt = studied.attempts > 0
    days_since = np.where(has_attempt, (period.end_at - answers.last_at) / MICROSECONDS_PER_DAY, np.nan)
    practice = np.where(has_attempt, answers.practice * np.exp(-forgetting * np.nan_to_num(days_since)), 0.0)
    ability_at_end = ability + gain * np.log1p(practice)
    columns: dict[str, Any] = {
        "user_id": pa.array(np.repeat(np.array(learners.ids), topics)),
        "topic_id": pa.array(curriculum.topic_ids * len(learners.ids)),
        "attempts": studied.attempts,
        "correct": studied.correct,
        "expected_correct": studied.expected,
        "initial_ability": ability,
        "gain": gain,
        "forgetting_per_day": forgetting,
        "practice_at_end": practice,
        "days_since_practice": pa.array(days_since, from_pandas=True),
        "ability_at_end": ability_at_end,
        "topic_difficulty": difficulty,
        "probability_at_end": sigmoid(ability_at_end - difficulty),
    }
    return pa.table(columns)


def _hand_over(home: Home, staging: Path) -> None:
    """Move what was written to where it belongs: the truth first, so that --clean can undo half a move."""
    for name in (TRUTH, MASTERY_TRUTH):
        (staging / name).replace(home.root / name)
    for folder in sorted(home.landing.rglob("*/"), reverse=True):
        with suppress(OSError):  # of those that are in the way only the empty ones go
            folder.rmdir()
    if home.landing.exists() and not any(home.landing.iterdir()):
        home.landing.rmdir()
    if not home.landing.exists():
        (staging / "landing").replace(home.landing)
    else:
        for system in SYSTEMS:
            (staging / "landing" / system).replace(home.landing / system)
    shutil.rmtree(staging)
