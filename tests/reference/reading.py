"""From rows of the extracts to accepted events: identity, copies, and the verdicts that need other rows.

What belongs here: the rules of `events.md` about what an event is. What does not: the marts (`marts/`).
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
COLLABORATION_ALIASES = {"DraftPublishedEvent": "DraftPublished"}

# An earlier producer made the key of a recommendation's event from child, event and recommendation.
COLLAPSED_SEPARATORS = (":", "-", "_", "|")


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
    client_ts: datetime | None
    user_id: str
    session_id: str | None  # as stated; a derived one is found in `marts/study.py`
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
    arrived_at: datetime | None  # received_at of a batch, created_at of an event that states it
    seq: int | None
    session_id: str
    user_id: str
    question_id: str | None
    payload: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, bool, int, str]:
        """An event without `seq` comes last at its instant."""
        return (self.ts, self.seq is None, self.seq or 0, self.event_id)


@dataclass(frozen=True)
class RecommendationEvent:
    event_id: str  # the key; several events share one that is collapsed
    event_type: str
    ts: datetime
    event_order: int | None
    child_id: str
    recommendation_id: str
    is_collapsed: bool

    @property
    def order(self) -> tuple[datetime, bool, int, str]:
        """An event without `event_order` comes last at its instant."""
        return (self.ts, self.event_order is None, self.event_order or 0, self.event_id)


@dataclass(frozen=True)
class CollaborationEvent:
    event_id: str
    event_type: str
    ts: datetime
    draft_id: str
    data: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, str]:
        return (self.ts, self.event_id)


@dataclass(frozen=True)
class TextbookEvent:
    """No mart asks for its id or its place among others: without a stated id it has none here."""

    event_type: str
    ts: datetime
    payload: dict[str, Any]


Event = StudyEvent | AssessmentEvent | RecommendationEvent | CollaborationEvent | TextbookEvent


class Judged(NamedTuple):
    """A row with its one verdict: `accepted`, `duplicate`, `conflict`, or the reason why it is rejected."""

    row: Row
    verdict: str
    event: Event | None  # where one is accepted


@dataclass
class Accepted:
    """What is left when every row has its verdict, and the verdicts."""

    study: list[StudyEvent] = field(default_factory=list)
    assessment: list[AssessmentEvent] = field(default_factory=list)
    recommendation: list[RecommendationEvent] = field(default_factory=list)
    collaboration: list[CollaborationEvent] = field(default_factory=list)
    textbook: list[TextbookEvent] = field(default_factory=list)
    question_topics: dict[str, str | None] = field(default_factory=dict)  # of the newest snapshot of study's questions
    topics: list[Row] = field(default_factory=list)  # of the newest snapshot
    prerequisites: dict[str, set[str]] = field(default_factory=dict)  # of topics, of their newest snapshot
    test_sessions: dict[str, tuple[str, datetime | None]] = field(default_factory=dict)  # session: (owner, created_at)
    session_questions: dict[str, set[str]] = field(default_factory=dict)
    judged: list[Judged] = field(default_factory=list)
    loads: set[Load] = field(default_factory=set)

    def events_of(self, system: str) -> list[Any]:
        """The accepted events of a system; in time order once all are read, but for the textbook's."""
        lists: dict[str, list[Any]] = {
            "study": self.study,
            "assessment": self.assessment,
            "recommendation": self.recommendation,
            "collaboration": self.collaboration,
            "textbook": self.textbook,
        }
        return lists[system]

    def verdicts(self) -> dict[Load, Counter[str]]:
        """How often each verdict was given, by load, with the rows that were `read` and those accepted `late`."""
        counts: dict[Load, Counter[str]] = {load: Counter() for load in self.loads}
        for row, verdict, event in self.judged:
            counts[row.load]["read"] += 1
            counts[row.load][verdict] += 1
            if event is not None and event.ts.date() < row.extract_date:
                counts[row.load]["late"] += 1
        return counts


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


def canonical(value: Any) -> str:
    """Canonical JSON: compact, keys by code point, null members left out, numbers by value."""
    if isinstance(value, dict):
        members = (f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value) if value[key] is not None)
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return str(int(exact)) if exact == exact.to_integral_value() else f"{exact.normalize():f}"
    return json.dumps(value, ensure_ascii=False)


def stable_hash(value: Any) -> str:
    """The id of an event that has none of its own."""
    return "h-" + hashlib.sha256(canonical(value).encode()).hexdigest()


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
RECOMMENDATION_ENVELOPE = ("event_key", "event_order", "event", "child_id", "recommendation_id", "occurred_at")
COLLABORATION_ENVELOPE = ("idempotency_key", "event_type", "timestamp")
TEXTBOOK_ENVELOPE = ("event_id", "event_type", "timestamp")


class Candidate(NamedTuple):
    """A row that may become an event: by its identity copies are found, by its content told apart."""

    row: Row
    identity: Hashable
    content: Hashable
    event: Any


def with_unknown(document: dict[str, Any], known: tuple[str, ...], payload_field: str) -> dict[str, Any]:
    """The payload, joined by the envelope's unknown fields."""
    payload = dict(document.get(payload_field) or {})
    for name, value in document.items():
        if name not in known and name != payload_field and name not in payload:
            payload[name] = value
    return payload


def study_event(row: Row) -> Candidate:
    """The event on a row of `study` / `events`."""
    document = row.payload
    event = StudyEvent(
        event_id=document["event_id"].lower(),
        event_type=STUDY_ALIASES.get(document["event_type"], document["event_type"]),
        ts=timestamp(document["event_ts"]),
        client_ts=optional_timestamp(document.get("client_ts")),
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
        event.client_ts,
        event.material_id,
        event.chunk_id,
        event.topic_id,
        event.question_id,
        comparable(event.properties),
    )
    return Candidate(row, event.event_id, content, event)


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


def assessment_event(row: Row) -> Candidate:
    """The event on a row of `assessment` / `events` or `batches`."""
    if row.stream == "events":
        document = row.payload
        event = AssessmentEvent(
            event_id=document["id"].lower(),
            event_type=document["event_type"],
            ts=timestamp(document["event_ts"]),
            client_ts=optional_timestamp(document.get("client_ts")),
            arrived_at=optional_timestamp(document.get("created_at")),
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
            event.arrived_at,
            comparable(event.payload),
        )
        return Candidate(row, event.event_id, content, event)
    batch = row.payload
    document = batch["events"][row.batch_index]
    client_ts = timestamp(document["client_ts"])
    session_id = document["session_id"].lower()
    received_at = timestamp(batch["received_at"])
    event = AssessmentEvent(
        event_id=stable_hash([session_id, document["seq"], document["event_type"], micros(client_ts)]),
        event_type=document["event_type"],
        ts=received_at - (max(readable_client_times(batch)) - client_ts),
        client_ts=client_ts,
        arrived_at=received_at,
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
    return Candidate(row, event.event_id, content, event)


def collapsed_keys(child_id: str, event_type: str, recommendation_id: str) -> set[str]:
    """The twelve keys that the earlier producer may have given to such an event."""
    plain = {separator.join((child_id, event_type, recommendation_id)) for separator in COLLAPSED_SEPARATORS}
    # Reading: "in hex" is in lower case, as every producer's library writes it.
    hashed = {digest(key.encode()).hexdigest() for key in plain for digest in (hashlib.md5, hashlib.sha1)}
    return plain | hashed


def recommendation_event(row: Row) -> Candidate:
    """The event on a row of `recommendation` / `events`; each version of a collapsed key is an event of its own."""
    document = row.payload
    key, event_type = document["event_key"], document["event"]
    child_id, recommendation_id = document["child_id"], document["recommendation_id"]
    event = RecommendationEvent(
        event_id=key,
        event_type=event_type,
        ts=timestamp(document["occurred_at"]),
        event_order=document.get("event_order"),
        child_id=child_id,
        recommendation_id=recommendation_id,
        is_collapsed=key in collapsed_keys(child_id, event_type, recommendation_id),
    )
    # Reading: a row whose key has the form of a collapsed one, but of other fields than the row's, is no version of it.
    identity = (key, event.ts if event.is_collapsed else None)
    metadata = with_unknown(document, RECOMMENDATION_ENVELOPE, "metadata")
    content = (event_type, event.ts, event.event_order, child_id, recommendation_id, comparable(metadata))
    return Candidate(row, identity, content, event)


def collaboration_event(row: Row) -> Candidate:
    """The event on a row of `collaboration` / `events`."""
    document = row.payload
    event_type = COLLABORATION_ALIASES.get(document["event_type"], document["event_type"])
    ts = timestamp(document["timestamp"])
    data = with_unknown(document, COLLABORATION_ENVELOPE, "data")
    event = CollaborationEvent(
        event_id=document.get("idempotency_key") or stable_hash([event_type, micros(ts), data]),
        event_type=event_type,
        ts=ts,
        draft_id=data["draft_id"],
        data=data,
    )
    return Candidate(row, event.event_id, (event_type, ts, comparable(data)), event)


def textbook_event(row: Row) -> Candidate:
    """The event on a row of `textbook` / `events`.

    The hash that names a row without an id is made of what is stored, where a keyed hash stands for free text. Nobody
    can know it without the key; but two such rows have one hash exactly if they have one content.
    """
    document = row.payload
    ts = timestamp(document["timestamp"])
    payload = with_unknown(document, TEXTBOOK_ENVELOPE, "payload")
    event = TextbookEvent(event_type=document["event_type"], ts=ts, payload=payload)
    content = (event.event_type, ts, comparable(payload))
    stated = document.get("event_id")
    return Candidate(row, ("hash", content) if stated is None else ("id", stated), content, event)


def settle(candidates: Iterable[Candidate], verdict: Callable[[Row, str], None]) -> list[Candidate]:
    """Those that stay; every other copy of an identity gets its verdict."""
    first: dict[Hashable, Hashable] = {}
    stay = []
    for candidate in sorted(candidates, key=lambda candidate: candidate.row.place):
        if candidate.identity not in first:
            first[candidate.identity] = candidate.content
            stay.append(candidate)
        else:
            same = candidate.content == first[candidate.identity]
            verdict(candidate.row, "duplicate" if same else "conflict")
    return stay


# --- the whole ------------------------------------------------------------------------------------------------------

# Systems whose events need no other rows to be judged.
EVENT_READERS: dict[str, Callable[[Row], Candidate]] = {
    "study": study_event,
    "recommendation": recommendation_event,
    "collaboration": collaboration_event,
    "textbook": textbook_event,
}
REFERENCE_IDENTITY = {
    ("assessment", "test_sessions"): ("session_id",),
    ("assessment", "session_questions"): ("session_id", "question_id"),
    ("study", "topics"): ("topic_id",),
    ("study", "topic_prerequisites"): ("topic_id", "prerequisite_topic_id"),
    ("study", "questions"): ("question_id",),
}


def reference_row(row: Row) -> Candidate:
    """A row of a reference stream: ids in lower case, instants as instants."""
    identity: tuple[Hashable, ...] = tuple(
        row.payload[name].lower() for name in REFERENCE_IDENTITY[row.system, row.stream]
    )
    if row.system == "study":
        identity = (row.extract_date, *identity)  # the identity of a snapshot holds within its extract date
    content = {}
    for name, value in row.payload.items():
        if value is not None and name.endswith("_id"):
            content[name] = value.lower()
        elif value is not None and name == "created_at":
            content[name] = str(timestamp(value))
        else:
            content[name] = value
    return Candidate(row, identity, comparable(content), None)


def newest_snapshot(accepted: list[Row]) -> list[Row]:
    """The rows of a snapshot's newest extract date.

    Reading: that is the newest one with an accepted row; an empty extract is none.
    """
    newest = max((row.extract_date for row in accepted), default=None)
    return [row for row in accepted if row.extract_date == newest]


def read(rows: Iterable[Row], loads: Iterable[Load]) -> Accepted:
    """Give every row its verdict, and collect what is accepted."""
    result = Accepted(loads=set(loads))

    def verdict(row: Row, what: str, event: Event | None = None) -> None:
        result.judged.append(Judged(row, what, event))

    by_stream: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.reject is not None:
            verdict(row, row.reject)
        else:
            by_stream.setdefault((row.system, row.stream), []).append(row)

    for system, reader in EVENT_READERS.items():
        for candidate in settle(map(reader, by_stream.pop((system, "events"), [])), verdict):
            result.events_of(system).append(candidate.event)
            verdict(candidate.row, "accepted", candidate.event)

    # Reference rows, before the events that they judge.
    test_rows = by_stream.pop(("assessment", "events"), []) + by_stream.pop(("assessment", "batches"), [])
    topics: list[Row] = []
    questions: list[Row] = []
    prerequisites: list[Row] = []
    for (_, stream), reference_rows in by_stream.items():
        for candidate in settle(map(reference_row, reference_rows), verdict):
            row = candidate.row
            verdict(row, "accepted")
            if stream == "test_sessions":
                created_at = optional_timestamp(row.payload.get("created_at"))
                result.test_sessions[row.payload["session_id"].lower()] = (row.payload["user_id"].lower(), created_at)
            elif stream == "session_questions":
                mine = result.session_questions.setdefault(row.payload["session_id"].lower(), set())
                mine.add(row.payload["question_id"].lower())
            elif stream == "topics":
                topics.append(row)
            elif stream == "questions":
                questions.append(row)
            elif stream == "topic_prerequisites":
                prerequisites.append(row)
    result.topics = newest_snapshot(topics)
    result.question_topics = {
        row.payload["question_id"].lower(): lower(row.payload.get("topic_id")) for row in newest_snapshot(questions)
    }
    for row in newest_snapshot(prerequisites):
        topic_id, prerequisite = row.payload["topic_id"].lower(), row.payload["prerequisite_topic_id"].lower()
        result.prerequisites.setdefault(topic_id, set()).add(prerequisite)

    # Assessment: copies first (ids are unique over both streams), then the copy that stays is judged.
    for candidate in settle(map(assessment_event, test_rows), verdict):
        row, event = candidate.row, candidate.event
        if event.session_id not in result.test_sessions:
            verdict(row, "unknown_session")
        elif event.user_id != result.test_sessions[event.session_id][0]:
            verdict(row, "session_not_owned")
        elif event.question_id is not None and event.question_id not in result.session_questions.get(
            event.session_id, set()
        ):
            verdict(row, "question_not_in_session")
        else:
            result.assessment.append(event)
            verdict(row, "accepted", event)

    result.study.sort(key=lambda event: event.order)
    result.assessment.sort(key=lambda event: event.order)
    result.recommendation.sort(key=lambda event: event.order)
    result.collaboration.sort(key=lambda event: event.order)
    return result
