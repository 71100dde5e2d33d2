"""The event and reference streams of the demo: what happened, made ready for delivery, with its faults."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from ingestion.demo import (
    assessment,
    assessment_fields,
    collaboration,
    collaboration_fields,
    recommendation,
    recommendation_fields,
    study,
    study_fields,
    textbook,
    textbook_fields,
)
from ingestion.demo.assessment import Assessment
from ingestion.demo.assessment_fields import AssessmentFields
from ingestion.demo.cells import Cell
from ingestion.demo.delivery import CONFLICT, FIRST, Delivery, deliver, extract_day
from ingestion.demo.faults import (
    COLLABORATION_FAULTS,
    RECOMMENDATION_FAULTS,
    SESSION_QUESTION_FAULTS,
    STUDY_FAULTS,
    TEST_SESSION_FAULTS,
    TEXTBOOK_FAULTS,
    Fault,
    assessment_event_faults,
    batch_faults,
    broken_batch,
    broken_row,
)
from ingestion.demo.feeds import Feed, choose
from ingestion.demo.ids import Ints, Mask, random, uuid_list
from ingestion.demo.learning import MICROSECONDS_PER_DAY
from ingestion.demo.rows import SECOND, Table, expanded
from ingestion.demo.study import Study
from ingestion.demo.world import Curriculum, Learners

# Suffixes of the files, day after day. Batches are NDJSON by contract.
STUDY_FORMATS = ("ndjson.gz", "ndjson", "ndjson.gz", "csv.gz", "ndjson", "parquet", "ndjson.zst")
EVENT_FORMATS = ("ndjson", "ndjson.gz", "parquet", "ndjson", "csv")
RECOMMENDATION_FORMATS = ("ndjson", "ndjson.gz", "csv", "ndjson", "ndjson.zst", "parquet", "ndjson", "csv.gz")
COLLABORATION_FORMATS = ("ndjson.gz", "ndjson", "parquet", "ndjson", "csv.gz", "ndjson.zst", "ndjson", "csv")
TEXTBOOK_FORMATS = ("ndjson", "parquet", "ndjson", "ndjson.gz", "csv", "ndjson.zst", "ndjson.gz", "csv.gz")
BATCH_FORMATS = ("ndjson", "ndjson.gz", "ndjson", "ndjson.zst")
TEST_SESSION_FORMATS = ("csv", "csv", "ndjson")
SESSION_QUESTION_FORMATS = ("csv", "csv.gz", "ndjson", "parquet")

LATE_REFERENCE_SHARE = 0.05  # tests whose reference rows come a day after their first events
RESENT_AFTER = 20 * SECOND


@dataclass(frozen=True)
class Period:
    """The extract dates of a demo, and the seed of what happens in it."""

    seed: int
    start: dt.date
    days: int

    @property
    def start_at(self) -> int:
        """Midnight of the first date, in microseconds since 1970."""
        return (self.start - dt.date(1970, 1, 1)).days * MICROSECONDS_PER_DAY

    @property
    def end_at(self) -> int:
        """Midnight at the end of the last date."""
        return self.start_at + self.days * MICROSECONDS_PER_DAY

    def date(self, day: int) -> dt.date:
        """The date of a day, counted from 0."""
        return self.start + dt.timedelta(days=day)

    def day(self, at: Ints) -> Ints:
        """The day of each point in time."""
        day: Ints = (at - self.start_at) // MICROSECONDS_PER_DAY
        return day


@dataclass(frozen=True)
class System:
    """How a system with one stream of events writes it, and what can be wrong with it."""

    name: str
    formats: Sequence[str]
    cells: Sequence[Cell]
    event_types: Sequence[str]
    faults: Sequence[Fault]
    id_field: str


def study_feed(
    con: duckdb.DuckDBPyConnection, period: Period, curriculum: Curriculum, learners: Learners, studied: Study
) -> Feed:
    """The events of the study app."""
    events = studied.events
    system = System("study", STUDY_FORMATS, study_fields.CELLS, study.EVENT_TYPES, STUDY_FAULTS, "event_id")
    fields = study_fields.StudyFields(period.seed, curriculum, learners, events)
    return _event_feed(con, period, system, events, fields.rows, events["kind"] == study.KIND["question_submit"])


def recommendation_feed(con: duckdb.DuckDBPyConnection, period: Period, learners: Learners, events: Table) -> Feed:
    """The events of the home screen. An old key at another time is another event, and never in conflict."""
    system = System(
        "recommendation",
        RECOMMENDATION_FORMATS,
        recommendation_fields.CELLS,
        recommendation.EVENT_TYPES,
        RECOMMENDATION_FAULTS,
        "event_key",
    )
    fields = recommendation_fields.RecommendationFields(period.seed, learners, events)
    return _event_feed(con, period, system, events, fields.rows, events["form"] < 0)


def collaboration_feed(con: duckdb.DuckDBPyConnection, period: Period, learners: Learners, events: Table) -> Feed:
    """The events of shared drafts. Without a key, a row with another content is another row."""
    system = System(
        "collaboration",
        COLLABORATION_FORMATS,
        collaboration_fields.CELLS,
        collaboration.EVENT_TYPES,
        COLLABORATION_FAULTS,
        "idempotency_key",
    )
    fields = collaboration_fields.CollaborationFields(period.seed, learners, events)
    return _event_feed(con, period, system, events, fields.rows, events["has_key"])


def textbook_feed(con: duckdb.DuckDBPyConnection, period: Period, learners: Learners, events: Table) -> Feed:
    """The events of the textbook. Without an id, a row with another content is another row."""
    system = System(
        "textbook", TEXTBOOK_FORMATS, textbook_fields.CELLS, textbook.EVENT_TYPES, TEXTBOOK_FAULTS, "event_id"
    )
    fields = textbook_fields.TextbookFields(period.seed, learners, events)
    return _event_feed(con, period, system, events, fields.rows, events["has_id"])


def _event_feed(
    con: duckdb.DuckDBPyConnection,
    period: Period,
    system: System,
    events: Table,
    fields: Callable[[Ints, Ints], pa.Table],
    may_conflict: Mask,
) -> Feed:
    """The events of a system that has no other stream to deliver with them."""
    rng = random(period.seed, f"{system.name} delivery")
    at, kind = events["at"].astype(np.int64), events["kind"]
    day = extract_day(rng, at, events["session"].astype(np.int64), period.start_at, period.days)
    delivery = deliver(rng, at, day, period.days, may_conflict)
    is_late = period.day(at)[delivery.row] < delivery.day
    feed = _feed(system.name, "events", system.formats, system.cells, fields, delivery, is_late=is_late)
    chosen = choose(rng, system.faults, ~feed.is_copy, delivery.row, kind[delivery.row], system.event_types)
    _break_rows(con, period, feed, chosen, id_field=system.id_field)
    return feed


def assessment_feeds(
    con: duckdb.DuckDBPyConnection, period: Period, curriculum: Curriculum, learners: Learners, tested: Assessment
) -> list[Feed]:
    """The events of the test system, one by one and in batches, and its reference rows."""
    rng = random(period.seed, "assessment delivery")
    fields = AssessmentFields(period.seed, curriculum, learners, tested)
    is_late = rng.random(len(tested.created_at)) < LATE_REFERENCE_SHARE
    known_on = np.minimum(period.day(tested.created_at) + is_late, period.days - 1)
    return [
        _single_events(con, period, rng, tested, fields, known_on),
        _batches(con, period, rng, tested, fields, known_on),
        *_references(con, period, rng, tested, fields, known_on),
    ]


def _single_events(
    con: duckdb.DuckDBPyConnection,
    period: Period,
    rng: np.random.Generator,
    tested: Assessment,
    fields: AssessmentFields,
    known_on: Ints,
) -> Feed:
    test, at = tested.events["test"].astype(np.int64), tested.events["at"].astype(np.int64)
    day = extract_day(rng, at, test, period.start_at, period.days)
    delivery = deliver(rng, at, day, period.days, tested.events["answer"] >= 0)
    feed = _feed(
        "assessment",
        "events",
        EVENT_FORMATS,
        assessment_fields.EVENT_CELLS,
        fields.events,
        delivery,
        is_late=period.day(at)[delivery.row] < delivery.day,
        is_held=known_on[test[delivery.row]] > delivery.day,
    )
    faults, kind = assessment_event_faults(period.seed), tested.events["kind"][delivery.row]
    chosen = choose(rng, faults, ~feed.is_copy, delivery.row, kind, assessment.EVENT_TYPES)
    _break_rows(con, period, feed, chosen, id_field="id")
    return feed


def _batches(
    con: duckdb.DuckDBPyConnection,
    period: Period,
    rng: np.random.Generator,
    tested: Assessment,
    fields: AssessmentFields,
    known_on: Ints,
) -> Feed:
    """Delivery goes by batches, accounts by their events."""
    batch, test = tested.sent["batch"].astype(np.int64), tested.sent["test"].astype(np.int64)
    sizes = np.bincount(batch, minlength=len(tested.received_at))
    begins = np.cumsum(sizes) - sizes
    at, is_answer = tested.received_at, tested.sent["answer"] >= 0
    day = extract_day(rng, at, test[begins], period.start_at, period.days)
    has_answer = np.bincount(batch[is_answer], minlength=len(sizes)) > 0
    batches = deliver(rng, at, day, period.days, has_answer)
    owner, number = expanded(sizes[batches.row])
    delivery = Delivery(begins[batches.row][owner] + number, batches.day[owner], batches.copy[owner])
    feed = _feed(
        "assessment",
        "batches",
        BATCH_FORMATS,
        (),
        lambda row, copy: fields.sent(row, copy, np.where(copy == FIRST, 0, RESENT_AFTER)),
        delivery,
        is_late=period.day(tested.event_at)[delivery.row] < delivery.day,
        is_held=known_on[test[delivery.row]] > delivery.day,
        is_conflict=fields.is_changed(delivery.row, delivery.copy),
        starts=number == 0,
        line=assessment_fields.BATCH_LINE,
    )
    kind = tested.sent["kind"][delivery.row]
    chosen = choose(rng, batch_faults(period.seed), ~feed.is_copy, batch[delivery.row], kind, assessment.EVENT_TYPES)
    positions = np.array([position for _, position in chosen], dtype=np.int64)
    wanted = batch[delivery.row[positions]]
    owner, number = expanded(sizes[wanted])
    documents = feed.documents(con, begins[wanted][owner] + number)
    index = delivery.row[positions] - begins[wanted]
    for i, (fault, position) in enumerate(chosen):
        feed.broken.append(broken_batch(fault, int(delivery.day[position]), documents[i], int(index[i])))
    return feed


def _references(
    con: duckdb.DuckDBPyConnection,
    period: Period,
    rng: np.random.Generator,
    tested: Assessment,
    fields: AssessmentFields,
    known_on: Ints,
) -> list[Feed]:
    """Who owns a test, and which questions are in it."""
    test = tested.test_questions["test"].astype(np.int64)
    feeds = []
    for stream, formats, cells, rows, of_test, faults in (
        (
            "test_sessions",
            TEST_SESSION_FORMATS,
            assessment_fields.TEST_SESSION_CELLS,
            fields.test_sessions,
            np.arange(len(known_on)),
            TEST_SESSION_FAULTS,
        ),
        (
            "session_questions",
            SESSION_QUESTION_FORMATS,
            assessment_fields.SESSION_QUESTION_CELLS,
            fields.session_questions,
            test,
            SESSION_QUESTION_FAULTS,
        ),
    ):
        may_conflict = np.ones(len(of_test), dtype=np.bool_)
        delivery = deliver(rng, tested.created_at[of_test], known_on[of_test], period.days, may_conflict)
        feed = _feed("assessment", stream, formats, cells, rows, delivery)
        # Their faults are of the line; Parquet has none.
        is_text = np.array([feed.format(day) != "parquet" for day in range(period.days)])
        chosen = choose(rng, faults, ~feed.is_copy & is_text[delivery.day], delivery.row)
        _break_rows(con, period, feed, chosen, id_field=None)
        feeds.append(feed)
    return feeds


def _feed(
    system: str,
    stream: str,
    formats: Sequence[str],
    cells: Sequence[Cell],
    fields: Callable[[Ints, Ints], pa.Table],
    delivery: Delivery,
    is_late: Mask | None = None,
    is_held: Mask | None = None,
    is_conflict: Mask | None = None,
    starts: Mask | None = None,
    line: str | None = None,
) -> Feed:
    """A feed of which only what is special needs saying."""
    nothing = np.zeros(len(delivery.row), dtype=np.bool_)
    return Feed(
        system,
        stream,
        formats,
        cells,
        fields,
        delivery,
        is_late=nothing if is_late is None else is_late,
        is_held=nothing if is_held is None else is_held,
        is_conflict=delivery.copy == CONFLICT if is_conflict is None else is_conflict,
        starts=~nothing if starts is None else starts,
        line=line,
    )


def _break_rows(
    con: duckdb.DuckDBPyConnection, period: Period, feed: Feed, chosen: list[tuple[Fault, int]], id_field: str | None
) -> None:
    """Make broken rows of good ones: under ids of their own, where rows have one."""
    positions = np.array([position for _, position in chosen], dtype=np.int64)
    documents = feed.documents(con, feed.delivery.row[positions])
    ids = uuid_list(period.seed, f"broken {feed.system} {feed.stream}", len(chosen))
    for (fault, position), document, new_id in zip(chosen, documents, ids, strict=True):
        day = int(feed.delivery.day[position])
        document = document if id_field is None else {**document, id_field: new_id}
        as_csv = feed.is_reference and feed.format(day).startswith("csv")
        feed.broken.append(broken_row(fault, day, document, [cell.name for cell in feed.cells], as_csv))
