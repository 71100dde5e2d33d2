"""From rows of the extracts to accepted events: identity, copies, and the verdicts that need other rows.

What belongs here: the common rules of `events.md` and its sections 1 and 2. What does not: the marts (`marts.py`).
Rows are taken as valid at load, unless `Row.reject` says otherwise: this is no second validator.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1)

# Written out again on purpose: the reference shares nothing with what it is held against.
LOAD_REASONS = (
    "malformed",
    "batch_too_large",
    "unknown_event_type",
    "missing_field",
    "invalid_field",
    "payload_too_large",
    "timestamp_out_of_range",
)
REFERENCE_REASONS = ("unknown_session", "session_not_owned", "question_not_in_session")
REASONS = LOAD_REASONS + REFERENCE_REASONS

STUDY_ALIASES = {"question_attempt": "question_submit"}


class Load(NamedTuple):
    """One loaded (system, stream, extract date), empty ones included."""

    system: str
    stream: str
    extract_date: date


@dataclass(frozen=True)
class Row:
    """One row of an extract.

    Of a batch, a row is one event: `payload` is then the whole batch, and `batch_index` (from 0) says which event.
    """

    system: str
    stream: str
    extract_date: date
    source_file: str
    source_line: int
    batch_index: int
    payload: dict[str, Any]
    reject: str | None = None  # the reason, where the load refuses the row

    @property
    def place(self) -> tuple[date, bytes, int, int]:
        """What decides which of several copies is the first."""
        return (self.extract_date, self.source_file.encode(), self.source_line, self.batch_index)

    @property
    def load(self) -> Load:
        return Load(self.system, self.stream, self.extract_date)


@dataclass(frozen=True)
class StudyEvent:
    event_id: str
    event_type: str
    ts: datetime
    user_id: str
    session_id: str | None  # as stated; a derived one is found in `marts.py`
    material_id: str | None
    chunk_id: str | None
    topic_id: str | None
    question_id: str | None
    properties: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, str]:
        """Study events carry no `seq`: the id alone breaks a tie."""
        return (self.ts, self.event_id)


@dataclass(frozen=True)
class AssessmentEvent:
    event_id: str
    event_type: str
    ts: datetime
    client_ts: datetime | None
    seq: int | None
    session_id: str
    user_id: str
    question_id: str | None
    payload: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, bool, int, str]:
        """An event without `seq` comes last at its instant."""
        return (self.ts, self.seq is None, self.seq or 0, self.event_id)


@dataclass
class Accepted:
    """What is left when every row has its verdict, and the counts of the verdicts by load."""

    study: list[StudyEvent] = field(default_factory=list)
    assessment: list[AssessmentEvent] = field(default_factory=list)
    test_sessions: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)  # session: (owner, created_at)
    session_questions: dict[str, set[str]] = field(default_factory=dict)
    verdicts: dict[Load, Counter[str]] = field(default_factory=dict)


# --- values ---------------------------------------------------------------------------------------------------------

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:(Z)|([+-])(\d\d):(\d\d))?", re.ASCII
)


def timestamp(text: str) -> datetime:
    """A timestamp in the one grammar, as naive UTC; decimals beyond microseconds are cut."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"no timestamp: {text!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, _, sign, offset_hours, offset_minutes = match.groups()[6:]
    micros = int((fraction or "").ljust(6, "0")[:6])
    zone: timezone = UTC
    if sign:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
        zone = timezone(offset if sign == "+" else -offset)
    local = datetime(year, month, day, hour, minute, second, micros, tzinfo=zone)
    return local.astimezone(UTC).replace(tzinfo=None)


def optional_timestamp(value: str | None) -> datetime | None:
    return None if value is None else timestamp(value)


def lower(value: str | None) -> str | None:
    return None if value is None else value.lower()


def decimal6(value: int | float | Decimal | None) -> Decimal | None:
    """A payload number as a decimal of 6 places, rounded half away from zero."""
    if value is None:
        return None
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return exact.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def comparable(value: Any) -> Hashable:
    """A JSON value such that equal contents are equal: no order of keys, no null members, numbers by value."""
    if isinstance(value, dict):
        return ("object", frozenset((key, comparable(item)) for key, item in value.items() if item is not None))
    if isinstance(value, list):
        return ("list", tuple(comparable(item) for item in value))
    if isinstance(value, bool) or value is None:
        return ("literal", str(value))
    if isinstance(value, int | float | Decimal):
        return ("number", Decimal(repr(value)) if isinstance(value, float) else Decimal(value))
    return ("text", value)


# --- identity and content -------------------------------------------------------------------------------------------

STUDY_ENVELOPE = (
    "event_id",
    "event_type",
    "event_ts",
    "user_id",
    "session_id",
    "client_ts",
    "material_id",
    "chunk_id",
    "topic_id",
    "question_id",
)
ASSESSMENT_ENVELOPE = (
    "id",
    "event_version",
    "event_type",
    "event_ts",
    "client_ts",
    "seq",
    "session_id",
    "user_id",
    "question_id",
    "source",
    "created_at",
)
BATCH_EVENT_ENVELOPE = ("event_type", "client_ts", "seq", "session_id", "question_id")


def with_unknown(document: dict[str, Any], known: tuple[str, ...], payload_field: str) -> dict[str, Any]:
    """The payload, joined by the envelope's unknown fields."""
    payload = dict(document.get(payload_field) or {})
    for name, value in document.items():
        if name not in known and name != payload_field and name not in payload:
            payload[name] = value
    return payload


def study_event(row: Row) -> tuple[StudyEvent, Hashable]:
    """The event on a row of `study` / `events`, and its content."""
    document = row.payload
    event = StudyEvent(
        event_id=document["event_id"].lower(),
        event_type=STUDY_ALIASES.get(document["event_type"], document["event_type"]),
        ts=timestamp(document["event_ts"]),
        user_id=document["user_id"].lower(),
        session_id=lower(document.get("session_id")),
        material_id=lower(document.get("material_id")),
        chunk_id=lower(document.get("chunk_id")),
        topic_id=lower(document.get("topic_id")),
        question_id=lower(document.get("question_id")),
        properties=with_unknown(document, STUDY_ENVELOPE, "properties"),
    )
    content = (
        event.event_type,
        event.ts,
        event.user_id,
        event.session_id,
        optional_timestamp(document.get("client_ts")),
        event.material_id,
        event.chunk_id,
        event.topic_id,
        event.question_id,
        comparable(event.properties),
    )
    return event, content


def micros(instant: datetime) -> int:
    """Whole microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def readable_client_times(batch: dict[str, Any]) -> list[datetime]:
    """The client times of a batch that can be read, of whatever event, also one that is refused."""
    times = []
    for event in batch["events"]:
        try:
            times.append(timestamp(event["client_ts"]))
        except (KeyError, TypeError, ValueError):
            continue
    return times


def assessment_event(row: Row) -> tuple[AssessmentEvent, Hashable]:
    """The event on a row of `assessment` / `events` or `batches`, and its content."""
    if row.stream == "events":
        document = row.payload
        event = AssessmentEvent(
            event_id=document["id"].lower(),
            event_type=document["event_type"],
            ts=timestamp(document["event_ts"]),
            client_ts=optional_timestamp(document.get("client_ts")),
            seq=document.get("seq"),
            session_id=document["session_id"].lower(),
            user_id=document["user_id"].lower(),
            question_id=lower(document.get("question_id")),
            payload=with_unknown(document, ASSESSMENT_ENVELOPE, "payload_json"),
        )
        version = document.get("event_version")
        content: Hashable = (
            event.event_type,
            event.ts,
            event.client_ts,
            event.seq,
            event.session_id,
            event.user_id,
            event.question_id,
            document.get("source"),
            1 if version is None else version,
            optional_timestamp(document.get("created_at")),
            comparable(event.payload),
        )
        return event, content
    batch = row.payload
    document = batch["events"][row.batch_index]
    client_ts = timestamp(document["client_ts"])
    session_id = document["session_id"].lower()
    identity = [session_id, document["seq"], document["event_type"], micros(client_ts)]
    canonical = json.dumps(identity, separators=(",", ":"), ensure_ascii=False)
    event = AssessmentEvent(
        event_id="h-" + hashlib.sha256(canonical.encode()).hexdigest(),
        event_type=document["event_type"],
        ts=timestamp(batch["received_at"]) - (max(readable_client_times(batch)) - client_ts),
        client_ts=client_ts,
        seq=document["seq"],
        session_id=session_id,
        user_id=batch["user_id"].lower(),
        question_id=lower(document.get("question_id")),
        payload=with_unknown(document, BATCH_EVENT_ENVELOPE, "payload"),
    )
    # received_at, and event_ts that follows from it, is no part of the content.
    content = (
        event.event_type,
        event.client_ts,
        event.seq,
        event.session_id,
        event.user_id,
        event.question_id,
        batch.get("source"),
        comparable(event.payload),
    )
    return event, content


def settle(rows: Iterable[tuple[Row, Hashable, Hashable]], verdict: Callable[[Row, str], None]) -> list[Row]:
    """Of rows with (identity, content), those that stay; every other copy gets its verdict."""
    first: dict[Hashable, Hashable] = {}
    stay = []
    for row, identity, content in sorted(rows, key=lambda item: item[0].place):
        if identity not in first:
            first[identity] = content
            stay.append(row)
        else:
            verdict(row, "duplicate" if content == first[identity] else "conflict")
    return stay


# --- the whole ------------------------------------------------------------------------------------------------------

REFERENCE_IDENTITY = {
    ("assessment", "test_sessions"): ("session_id",),
    ("assessment", "session_questions"): ("session_id", "question_id"),
    ("study", "topics"): ("topic_id",),
    ("study", "topic_prerequisites"): ("topic_id", "prerequisite_topic_id"),
    ("study", "questions"): ("question_id",),
}


def reference_content(document: dict[str, Any]) -> Hashable:
    """The content of a reference row: ids in lower case, instants as instants."""
    content = {}
    for name, value in document.items():
        if value is not None and name.endswith("_id"):
            content[name] = value.lower()
        elif value is not None and name == "created_at":
            content[name] = str(timestamp(value))
        else:
            content[name] = value
    return comparable(content)


def read(rows: Iterable[Row], loads: Iterable[Load]) -> Accepted:
    """Give every row its verdict, and collect what is accepted."""
    result = Accepted(verdicts={load: Counter() for load in loads})

    def verdict(row: Row, what: str) -> None:
        result.verdicts[row.load][what] += 1

    by_stream: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        verdict(row, "read")
        if row.reject is not None:
            verdict(row, row.reject)
        else:
            by_stream.setdefault((row.system, row.stream), []).append(row)

    # Study: no reference rows are needed.
    study = [(row, *study_event(row)) for row in by_stream.pop(("study", "events"), [])]
    for row in settle([(row, event.event_id, content) for row, event, content in study], verdict):
        event = study_event(row)[0]
        result.study.append(event)
        verdict(row, "accepted")
        verdict(row, "late" if event.ts.date() < row.extract_date else "in_time")

    # Reference rows, before the events that they judge. A snapshot's identity holds within its extract date.
    test_rows = by_stream.pop(("assessment", "events"), []) + by_stream.pop(("assessment", "batches"), [])
    for (system, stream), reference_rows in by_stream.items():
        names = REFERENCE_IDENTITY[system, stream]
        keyed = []
        for row in reference_rows:
            identity: tuple[Hashable, ...] = tuple(row.payload[name].lower() for name in names)
            if system == "study":
                identity = (row.extract_date, *identity)
            keyed.append((row, identity, reference_content(row.payload)))
        for row in settle(keyed, verdict):
            verdict(row, "accepted")
            if stream == "test_sessions":
                created_at = optional_timestamp(row.payload.get("created_at"))
                result.test_sessions[row.payload["session_id"].lower()] = (row.payload["user_id"].lower(), created_at)
            elif stream == "session_questions":
                questions = result.session_questions.setdefault(row.payload["session_id"].lower(), set())
                questions.add(row.payload["question_id"].lower())

    # Assessment: copies first (ids are unique over both streams), then the copy that stays is judged.
    tests = [(row, *assessment_event(row)) for row in test_rows]
    for row in settle([(row, event.event_id, content) for row, event, content in tests], verdict):
        test_event = assessment_event(row)[0]
        if test_event.session_id not in result.test_sessions:
            verdict(row, "unknown_session")
        elif test_event.user_id != result.test_sessions[test_event.session_id][0]:
            verdict(row, "session_not_owned")
        elif test_event.question_id is not None and test_event.question_id not in result.session_questions.get(
            test_event.session_id, set()
        ):
            verdict(row, "question_not_in_session")
        else:
            result.assessment.append(test_event)
            verdict(row, "accepted")
            verdict(row, "late" if test_event.ts.date() < row.extract_date else "in_time")

    result.study.sort(key=lambda event: event.order)
    result.assessment.sort(key=lambda event: event.order)
    return result
