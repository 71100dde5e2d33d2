"""Rows that break their contract, in every way that the contracts know.

A broken row is a copy of a good one under an id of its own, with one thing wrong: the good row comes too, so that what
the demo knows of the learners stays true.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ingestion.demo.ids import uuid_list

Doc = dict[str, Any]
Change = Callable[[Doc], Doc]

FAULT_SHARE = 0.003
TOO_LONG = "x" * 5000


@dataclass(frozen=True)
class Fault:
    """One way to be wrong.

    Attributes:
        name: says what is wrong; no two faults of a stream share one.
        reason: why Daybook has to reject the row; None where there is no row to reject.
        change: what is wrong with the row; in `batches` with one event of it.
        tear: what is wrong with the finished line.
        needs: the event types of which the row has to be; empty: any.
        batch: what is wrong with the whole batch.
    """

    name: str
    reason: str | None
    change: Change = lambda doc: doc
    tear: Callable[[str], str] = lambda line: line
    needs: tuple[str, ...] = ()
    batch: Change | None = None


def with_value(field: str, value: object) -> Change:
    """The row with another value of a field."""
    return lambda doc: {**doc, field: value}


def without(field: str) -> Change:
    """The row without a field."""
    return lambda doc: {name: value for name, value in doc.items() if name != field}


def inside(payload: str, change: Change) -> Change:
    """A change of the payload."""
    return lambda doc: {**doc, payload: change(doc[payload])}


def cut_off(line: str) -> str:
    """The connection broke."""
    return line[: len(line) * 2 // 3]


_UNREADABLE = (
    Fault("torn line", "malformed", tear=cut_off),
    Fault("an error page", "malformed", tear=lambda _: "<html><body>502 Bad Gateway</body></html>"),
    Fault("half a character", "malformed", tear=lambda line: line[:-1] + ',"note":"\\ud83d"}'),
    Fault("not a number", "malformed", tear=lambda line: line[:-1] + ',"score":NaN}'),
    Fault("a list", "malformed", tear=lambda line: f"[{line}]"),
)

STUDY_FAULTS: tuple[Fault, ...] = (
    *_UNREADABLE,
    Fault("misspelt type", "unknown_event_type", with_value("event_type", "quesion_submit")),
    Fault("type in capitals", "unknown_event_type", with_value("event_type", "Material_Read")),
    Fault("no type", "missing_field", without("event_type")),
    Fault("no event id", "missing_field", without("event_id")),
    Fault("no time", "missing_field", without("event_ts")),
    Fault("no user", "missing_field", with_value("user_id", None)),
    Fault(
        "session event without a session",
        "missing_field",
        without("session_id"),
        needs=("session_start", "session_end"),
    ),
    Fault("answer to no question", "missing_field", without("question_id"), needs=("question_submit",)),
    Fault("reading without a topic", "missing_field", without("topic_id"), needs=("material_read",)),
    Fault(
        "neither right nor wrong",
        "missing_field",
        inside("properties", without("is_correct")),
        needs=("question_submit",),
    ),
    Fault("no points", "missing_field", inside("properties", without("xp_amount")), needs=("xp_earned",)),
    Fault("type is a number", "invalid_field", with_value("event_type", 7)),
    Fault("event id is no UUID", "invalid_field", with_value("event_id", "e-10294")),
    Fault("user is an e-mail address", "invalid_field", with_value("user_id", "kim.learner@example.com")),
    Fault("German date", "invalid_field", with_value("event_ts", "13.01.2026 10:00")),
    Fault("time as a number", "invalid_field", with_value("event_ts", 1767950000)),
    Fault("client time without a day", "invalid_field", with_value("client_ts", "2026-01T10:00:00Z")),
    Fault("payload in a string", "invalid_field", with_value("properties", '{"is_correct":true}')),
    Fault(
        "right as text",
        "invalid_field",
        inside("properties", with_value("is_correct", "yes")),
        needs=("question_submit",),
    ),
    Fault(
        "answered before it was asked",
        "invalid_field",
        inside("properties", with_value("time_to_answer_seconds", -4.5)),
        needs=("question_submit",),
    ),
    Fault(
        "seconds as text",
        "invalid_field",
        inside("properties", with_value("time_spent_seconds", "30")),
        needs=("material_read",),
    ),
    Fault(
        "read more than all of it",
        "invalid_field",
        inside("properties", with_value("scroll_depth_percent", 140)),
        needs=("material_read",),
    ),
    Fault("half a point", "invalid_field", inside("properties", with_value("xp_amount", 7.5)), needs=("xp_earned",)),
    Fault("a dump in the payload", "payload_too_large", inside("properties", with_value("debug_dump", TOO_LONG))),
    Fault("the clock starts in 1970", "timestamp_out_of_range", with_value("event_ts", "1970-01-01T00:00:12Z")),
    Fault("far in the future", "timestamp_out_of_range", with_value("event_ts", "2062-03-01T08:00:00Z")),
)


RECOMMENDATION_FAULTS: tuple[Fault, ...] = (
    *_UNREADABLE,
    Fault("type of another version", "unknown_event_type", with_value("event", "click")),
    Fault("no type", "missing_field", without("event")),
    Fault("no key", "missing_field", without("event_key")),
    Fault("no child", "missing_field", with_value("child_id", None)),
    Fault("nothing recommended", "missing_field", without("recommendation_id")),
    Fault("no time", "missing_field", without("occurred_at")),
    Fault("child is an e-mail address", "invalid_field", with_value("child_id", "kim.learner@example.com")),
    Fault("an empty recommendation", "invalid_field", with_value("recommendation_id", "")),
    Fault("order between two", "invalid_field", with_value("event_order", 12.5)),
    Fault("date alone", "invalid_field", with_value("occurred_at", "2026-01-09")),
    Fault("position in words", "invalid_field", inside("metadata", with_value("position", "first"))),
    Fault("payload in a string", "invalid_field", with_value("metadata", '{"position":1}')),
    Fault("a dump in the payload", "payload_too_large", inside("metadata", with_value("debug_dump", TOO_LONG))),
    Fault("the clock starts in 1970", "timestamp_out_of_range", with_value("occurred_at", "1970-01-01T00:00:12Z")),
    Fault("far in the future", "timestamp_out_of_range", with_value("occurred_at", "2062-03-01T08:00:00Z")),
)

COLLABORATION_FAULTS: tuple[Fault, ...] = (
    *_UNREADABLE,
    Fault("type of another version", "unknown_event_type", with_value("event_type", "RingPassed")),
    Fault("no type", "missing_field", without("event_type")),
    Fault("no time", "missing_field", without("timestamp")),
    Fault("no payload", "missing_field", without("data")),
    Fault("which draft", "missing_field", inside("data", without("draft_id"))),
    Fault("created by nobody", "missing_field", inside("data", without("creator_id")), needs=("DraftCreated",)),
    Fault("the ring went nowhere", "missing_field", inside("data", without("to_user_id")), needs=("RINGPassed",)),
    Fault("no segment", "missing_field", inside("data", without("segment_id")), needs=("SegmentAdded",)),
    Fault("type is a number", "invalid_field", with_value("event_type", 7)),
    Fault("key is an e-mail address", "invalid_field", with_value("idempotency_key", "kim.learner@example.com")),
    Fault("an empty key", "invalid_field", with_value("idempotency_key", "")),
    Fault("time as a number", "invalid_field", with_value("timestamp", 1767950000)),
    Fault("payload is a list", "invalid_field", with_value("data", [1, 2])),
    Fault(
        "viewer is an e-mail address",
        "invalid_field",
        inside("data", with_value("user_id", "kim.learner@example.com")),
        needs=("DraftViewed", "DraftShared"),
    ),
    Fault("a dump in the payload", "payload_too_large", inside("data", with_value("debug_dump", TOO_LONG))),
    Fault("the clock starts in 1970", "timestamp_out_of_range", with_value("timestamp", "1970-01-01T00:00:12Z")),
    Fault("far in the future", "timestamp_out_of_range", with_value("timestamp", "2062-03-01T08:00:00Z")),
)

TEXTBOOK_FAULTS: tuple[Fault, ...] = (
    *_UNREADABLE,
    Fault("type of another version", "unknown_event_type", with_value("event_type", "chapter_visited")),
    Fault("no type", "missing_field", without("event_type")),
    Fault("no time", "missing_field", with_value("timestamp", None)),
    Fault("no payload", "missing_field", without("payload")),
    Fault("no user", "missing_field", inside("payload", without("user_id")), needs=("ai_block_used", "chapter_visit")),
    Fault("which chapter", "missing_field", inside("payload", without("chapter_id")), needs=("chapter_visit",)),
    Fault("which block", "missing_field", inside("payload", without("block_type")), needs=("ai_block_used",)),
    Fault("which error", "missing_field", inside("payload", without("error_type")), needs=("error_event",)),
    Fault("id is a number", "invalid_field", with_value("event_id", 10294)),
    Fault("German date", "invalid_field", with_value("timestamp", "13.01.2026 10:00")),
    Fault("payload in a string", "invalid_field", with_value("payload", '{"chapter_id":"ch-01"}')),
    Fault(
        "chapter is a number",
        "invalid_field",
        inside("payload", with_value("chapter_id", 7)),
        needs=("ai_block_used", "chapter_visit"),
    ),
    Fault(
        "a novel of a question",
        "payload_too_large",
        inside("payload", with_value("query", TOO_LONG)),
        needs=("ai_block_used",),
    ),
    Fault("before the web", "timestamp_out_of_range", with_value("timestamp", "1989-11-09T18:57:00Z")),
    Fault("far in the future", "timestamp_out_of_range", with_value("timestamp", "2040-01-01T00:00:00+01:00")),
)


def assessment_event_faults(seed: int) -> tuple[Fault, ...]:
    """Faults of the stream `events`, with sessions, learners and questions that do not belong together."""
    nowhere, stranger, foreign = _foreigners(seed)
    answers = ("ANSWER_SELECTED", "ANSWER_CHANGED")
    return (
        *_UNREADABLE,
        Fault("type of another version", "unknown_event_type", with_value("event_type", "QUESTION_SEEN")),
        Fault("no type", "missing_field", without("event_type")),
        Fault("no id", "missing_field", without("id")),
        Fault("no time", "missing_field", without("event_ts")),
        Fault("no user", "missing_field", without("user_id")),
        Fault("no session", "missing_field", without("session_id")),
        Fault("view of no question", "missing_field", without("question_id"), needs=("QUESTION_VIEWED",)),
        Fault("blur or focus", "missing_field", inside("payload_json", without("state")), needs=("PAUSE_BLUR",)),
        Fault("id is no UUID", "invalid_field", with_value("id", "{42}")),
        Fault("sequence below zero", "invalid_field", with_value("seq", -4)),
        Fault("version as text", "invalid_field", with_value("event_version", "two")),
        Fault("local time of the machine room", "invalid_field", with_value("event_ts", "2026-01-09T10:00:00 CET")),
        Fault("payload is a list", "invalid_field", with_value("payload_json", [1, 2])),
        Fault(
            "answer between two",
            "invalid_field",
            inside("payload_json", with_value("answer_index", 1.5)),
            needs=answers,
        ),
        Fault("a dump in the payload", "payload_too_large", inside("payload_json", with_value("trace", TOO_LONG))),
        Fault("before the web", "timestamp_out_of_range", with_value("event_ts", "1989-11-09T18:57:00Z")),
        Fault("far in the future", "timestamp_out_of_range", with_value("event_ts", "2040-01-01T00:00:00+01:00")),
        Fault("session never created", "unknown_session", with_value("session_id", nowhere)),
        Fault("somebody else's session", "session_not_owned", with_value("user_id", stranger)),
        Fault("question of another test", "question_not_in_session", with_value("question_id", foreign), needs=answers),
    )


def batch_faults(seed: int) -> tuple[Fault, ...]:
    """Faults of the stream `batches`: of one event of a batch, of the whole batch, of its line."""
    nowhere, stranger, foreign = _foreigners(seed)
    answers = ("ANSWER_SELECTED", "ANSWER_CHANGED")
    return (
        *_UNREADABLE,
        Fault("type of another version", "unknown_event_type", with_value("event_type", "QUESTION_SEEN")),
        Fault("no sequence number", "missing_field", without("seq")),
        Fault("no client time", "missing_field", without("client_ts")),
        Fault("no session", "missing_field", without("session_id")),
        Fault("answer to no question", "missing_field", without("question_id"), needs=answers),
        Fault("sequence as text", "invalid_field", with_value("seq", "12")),
        Fault("client time in words", "invalid_field", with_value("client_ts", "just now")),
        Fault("answer as text", "invalid_field", inside("payload", with_value("answer_index", "B")), needs=answers),
        Fault("a dump in the payload", "payload_too_large", inside("payload", with_value("trace", TOO_LONG))),
        Fault("the clock starts in 1970", "timestamp_out_of_range", with_value("client_ts", "1970-01-01T00:00:12Z")),
        Fault("session never created", "unknown_session", with_value("session_id", nowhere)),
        Fault("question of another test", "question_not_in_session", with_value("question_id", foreign), needs=answers),
        Fault("somebody else's session", "session_not_owned", batch=with_value("user_id", stranger)),
        Fault("batch of nobody", "missing_field", batch=without("user_id")),
        Fault("batch never received", "missing_field", batch=without("received_at")),
        Fault("batch received at no time", "invalid_field", batch=with_value("received_at", "2026-02-30T10:00:00Z")),
        Fault(
            "a batch of far too many", "batch_too_large", batch=lambda doc: {**doc, "events": (doc["events"] * 51)[:60]}
        ),
        Fault("batch without events", "missing_field", batch=without("events")),
        Fault("events that are no list", "invalid_field", batch=with_value("events", "none")),
        Fault("an empty batch", None, batch=with_value("events", [])),
    )


TEST_SESSION_FAULTS = (
    Fault("torn line", "malformed", tear=cut_off),
    Fault("no user", "missing_field", without("user_id")),
    Fault("session is an e-mail address", "invalid_field", with_value("session_id", "kim.learner@example.com")),
    Fault("created at no time", "invalid_field", with_value("created_at", "yesterday")),
)
SESSION_QUESTION_FAULTS = (
    Fault("torn line", "malformed", tear=cut_off),
    Fault("no question", "missing_field", without("question_id")),
    Fault("position in words", "invalid_field", with_value("position", "third")),
)


def _foreigners(seed: int) -> tuple[str, str, str]:
    """A session, a learner and a question that are in no reference row."""
    nowhere, stranger, foreign = uuid_list(seed, "foreign", 3)
    return nowhere, stranger, foreign


@dataclass(frozen=True)
class Broken:
    """A line with a fault, ready to be delivered, and what Daybook has to make of its rows."""

    day: int
    fault: str
    text: str
    rows: int
    reason: str | None
    rejected: int
    duplicates: int


def broken_row(fault: Fault, day: int, doc: Doc, columns: Sequence[str], as_csv: bool) -> Broken:
    """A row of its own."""
    changed = fault.change(doc)
    line = _csv_record([changed.get(column) for column in columns]) if as_csv else _dumps(changed)
    return Broken(day, fault.name, fault.tear(line) + "\n", 1, fault.reason, 1, 0)


def broken_batch(fault: Fault, day: int, doc: Doc, index: int) -> Broken:
    """A batch sent again, with a fault in one more event (after the one at `index`), in the batch, or in its line."""
    if fault.batch is not None:
        # Events of their own, so that what is rejected is not taken for a copy.
        changed = fault.batch({**doc, "events": [_a_moment_later(event) for event in doc["events"]]})
        events = changed.get("events")
        rows = len(events) if isinstance(events, list) else 1
        return Broken(day, fault.name, fault.tear(_dumps(changed)) + "\n", rows, fault.reason, rows, 0)
    line = _dumps(doc)
    torn = fault.tear(line)
    if torn != line:
        return Broken(day, fault.name, torn + "\n", 1, fault.reason, 1, 0)
    events = [*doc["events"], fault.change(_a_moment_later(doc["events"][index]))]
    text = _dumps({**doc, "events": events}) + "\n"
    return Broken(day, fault.name, text, len(events), fault.reason, 1, len(events) - 1)


def _a_moment_later(event: Doc) -> Doc:
    """The event under another id: ids of events in batches come from the client's time, among others."""
    # All times of the demo are whole milliseconds: 0.1 ms later is no other event's time.
    stamp, _, fraction = event["client_ts"].removesuffix("Z").partition(".")
    return {**event, "client_ts": f"{stamp}.{fraction:0<3}1Z"}


def _dumps(doc: Doc) -> str:
    return json.dumps(doc, ensure_ascii=False, separators=(",", ":"))


def _csv_record(values: Sequence[object]) -> str:
    """A record of values that need no quotes."""
    return ",".join("" if value is None else str(value) for value in values)
