"""What has to become of every row of a file: counted and judged in plain Python, one row at a time.

What belongs here: what a row is, and its one verdict, written from the rules (`events.md`) and sharing nothing with the
loader. What does not: the files (`extracts.py`), and the comparison (`run.py`).

Slow, and simple where that is enough: a row or a file that is too odd to be judged here has the verdict None.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ACCEPTED = "accepted"
LONGEST_ROW = 16 * 1024 * 1024
MOST_EVENTS = 50
MOST_PAYLOAD_BYTES = 4096


@dataclass(frozen=True)
class Row:
    """One row of a file, and what has to become of it."""

    line: int
    index: int = 0  # in its batch
    verdict: str | None = None  # accepted, or why not; None: not judged here
    raw: str | None = None  # as the quarantine has to keep it; None: not told
    values: dict[str, Any] = field(default_factory=dict)  # of an accepted row, by column


class Unreadable(Exception):
    """No row of the file can be told."""


# --- the contracts, as the tables of events.md have them -------------------------------------------------------------
# A field is `name:type`, with * where it is required. Types: text, id, uuid, uuids, int, num, bool, ts, object, list,
# numtext, any; behind a number its limits.


@dataclass(frozen=True)
class Spec:
    """One stream."""

    envelope: str
    payload: str | None = None
    type_field: str | None = None
    time_field: str | None = None
    types: dict[str, tuple[str, str]] = field(default_factory=dict)  # by event type: references, payload
    batch: str = ""


_READ = "material_id topic_id"
_ASK = "question_id topic_id"
_NOTE = ("material_id", "annotation_type:any text_length:int chunk_position:any")
_PAUSE = ("session_id", "pause_reason:text")
_SUBMIT = (
    _ASK,
    "is_correct*:bool time_to_answer_seconds:num:0: selected_answer:any correct_answer:any confidence_level:int"
    " is_first_attempt:bool attempt_number:int hint_used:bool",
)
_QUIZ = (
    "",
    "quiz_id*:id quiz_type:any total_questions:int correct_answers:int accuracy:num:0:1 total_time_seconds:any",
)
_FEEDBACK = ("", "message_id:id rating:num:1:5 feedback_text:any")
_HINT = (_ASK, "hint_type:any time_before_hint:num")
_STREAK = ("", "old_streak:int new_streak:int is_new_record:bool")
_STUDY_TYPES = {
    "session_start": ("session_id", "device_type:any user_agent:any timezone:text ip_address:any"),
    "session_end": (
        "session_id",
        "duration_seconds:num active_seconds:num materials_viewed:num questions_attempted:num xp_earned:num",
    ),
    "session_pause": _PAUSE,
    "session_resume": _PAUSE,
    "material_open": (_READ, "material_type:any material_name:any total_pages:int"),
    "material_read": (
        _READ,
        "time_spent_seconds*:num:0: scroll_depth_percent:num:0:100 chunk_index:int is_complete:bool",
    ),
    "material_complete": (_READ, "total_time_seconds:any completion_percentage:num:0:100"),
    "material_highlight": _NOTE,
    "material_note": _NOTE,
    "material_bookmark": _NOTE,
    "question_view": (_ASK, "question_type:any difficulty:numtext is_first_view:bool"),
    "question_submit": _SUBMIT,
    "question_attempt": _SUBMIT,
    "quiz_start": _QUIZ,
    "quiz_complete": _QUIZ,
    "ai_question_asked": (
        "",
        "question_length:int context_provided:bool conversation_turn:int detected_topics:uuids",
    ),
    "ai_response_received": ("", "response_length:int response_time_ms:num model_used:text tokens_used:int"),
    "ai_feedback_positive": _FEEDBACK,
    "ai_feedback_negative": _FEEDBACK,
    "ai_hint_requested": _HINT,
    "ai_explanation_requested": _HINT,
    "xp_earned": ("", "xp_amount*:int:0: xp_source:text new_total_xp:int"),
    "level_up": ("", "old_level:int new_level*:int total_xp:int"),
    "achievement_unlocked": ("", "achievement_id*:id achievement_name:any achievement_type:any xp_reward:int"),
    "streak_continued": _STREAK,
    "streak_broken": _STREAK,
    "search_performed": ("", "query:any result_count:int filters_applied:any search_type:any"),
    "topic_explored": ("topic_id", "topic_name:any topic_level:any current_mastery:num:0:1"),
}
_NAVIGATE = ("", "from_position:any to_position:any")
_ANSWER = ("question_id", "answer_index:int")
_ASSESSMENT_TYPES = {
    **dict.fromkeys(("SESSION_CREATED", "SESSION_SUBMITTED", "SESSION_EXPIRED", "REVIEW_OPENED"), ("", "")),
    "QUESTION_VIEWED": ("question_id", "position:int"),
    **dict.fromkeys(("NAVIGATE_NEXT", "NAVIGATE_PREV", "NAVIGATE_JUMP"), _NAVIGATE),
    "ANSWER_SELECTED": _ANSWER,
    "ANSWER_CHANGED": _ANSWER,
    "MARK_FOR_REVIEW_TOGGLED": ("question_id", ""),
    "PAUSE_BLUR": ("", "state*:any"),
}
_INTERACTION = ("", "position:int surface:any recommendation_type:any")
_DRAFT_TYPES = {
    "DraftCreated": ("", "draft_id*:id creator_id*:id"),
    "DraftViewed": ("", "draft_id*:id user_id*:id"),
    "DraftShared": ("", "draft_id*:id user_id*:id"),
    "SegmentAdded": ("", "draft_id*:id segment_id*:id contributor_id*:id"),
    "RINGPassed": ("", "draft_id*:id from_user_id*:id to_user_id*:id"),
    "DraftPublished": ("", "draft_id*:id publisher_id*:id"),
    "DraftPublishedEvent": ("", "draft_id*:id publisher_id*:id"),
}
_BOOK_TYPES = {
    "ai_block_used": ("", "user_id*:id chapter_id*:id section_id:id block_type*:any query:any"),
    "chapter_visit": ("", "user_id*:id chapter_id*:id"),
    "error_event": ("", "error_type*:any error_message:any chapter_id:id section_id:id"),
}
ALIASES = {"question_attempt": "question_submit", "DraftPublishedEvent": "DraftPublished"}

SPECS: dict[tuple[str, str], Spec] = {
    ("study", "events"): Spec(
        "event_id*:uuid event_type*:text event_ts*:ts user_id*:uuid session_id:uuid client_ts:ts material_id:uuid"
        " chunk_id:uuid topic_id:uuid question_id:uuid properties:object",
        *("properties", "event_type", "event_ts", _STUDY_TYPES),
    ),
    ("study", "topics"): Spec("topic_id*:uuid name:any level:any parent_topic_id:uuid"),
    ("study", "topic_prerequisites"): Spec("topic_id*:uuid prerequisite_topic_id*:uuid"),
    ("study", "questions"): Spec("question_id*:uuid topic_id:uuid difficulty:numtext"),
    ("assessment", "events"): Spec(
        "id*:uuid event_version:int event_type*:text event_ts*:ts client_ts:ts seq:int:0: session_id*:uuid"
        " user_id*:uuid question_id:uuid source:any payload_json:object created_at:ts",
        *("payload_json", "event_type", "event_ts", _ASSESSMENT_TYPES),
    ),
    ("assessment", "batches"): Spec(
        "event_type*:text client_ts*:ts seq*:int:0: session_id*:uuid question_id:uuid payload:object",
        *("payload", "event_type", None, _ASSESSMENT_TYPES),
        batch="source:any user_id*:uuid received_at*:ts events*:list",
    ),
    ("assessment", "test_sessions"): Spec("session_id*:uuid user_id*:uuid created_at:ts"),
    ("assessment", "session_questions"): Spec("session_id*:uuid question_id*:uuid position:int"),
    ("recommendation", "events"): Spec(
        "event_key*:id event_order:int event*:text child_id*:id recommendation_id*:id occurred_at*:ts metadata:object",
        *("metadata", "event", "occurred_at"),
        dict.fromkeys(("impression", "tap", "start", "complete", "abandon"), _INTERACTION),
    ),
    ("collaboration", "events"): Spec(
        "idempotency_key:id event_type*:text timestamp*:ts data*:object",
        *("data", "event_type", "timestamp", _DRAFT_TYPES),
    ),
    ("textbook", "events"): Spec(
        "event_id:id event_type*:text timestamp*:ts payload*:object",
        *("payload", "event_type", "timestamp", _BOOK_TYPES),
    ),
}


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    required: bool
    low: Decimal | None
    high: Decimal | None


def fields(text: str) -> list[Field]:
    """The fields of one of the texts above."""
    found = []
    for one in text.split():
        name, kind, low, high = (one + "::").split(":")[:4]
        limits = (Decimal(limit) if limit else None for limit in (low, high))
        found.append(Field(name.rstrip("*"), kind, name.endswith("*"), *limits))
    return found


# --- JSON, read strictly ---------------------------------------------------------------------------------------------


class Num(str):
    """A number, as spelled."""


class NotJson(ValueError):
    pass


class TooDeep(Exception):
    """Nested too deep to be read here."""


def parse(text: str) -> Any:
    """The value of a strictly valid JSON text; of a repeated key the first counts."""

    def whole(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            _refuse_surrogates(name)
            _refuse_surrogates(value)
            found.setdefault(name, value)
        return found

    def constant(name: str) -> None:
        raise NotJson(name)

    try:
        value = json.loads(
            text, object_pairs_hook=whole, parse_constant=constant, parse_float=Num, parse_int=Num, strict=True
        )
    except RecursionError as error:
        raise TooDeep from error
    except ValueError as error:
        raise NotJson(str(error)) from error
    _refuse_surrogates(value)
    return value


def _refuse_surrogates(value: Any) -> None:
    if isinstance(value, str) and re.search("[\ud800-\udfff]", value):
        raise NotJson("a lone surrogate")
    if isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def compact(value: Any) -> str:
    """A value without white space and without any escape that JSON does not require, numbers as spelled."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, Num):
        return str(value)
    if isinstance(value, str):
        return '"' + "".join(_SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in value) + '"'
    return {None: "null", True: "true", False: "false"}[value]


# --- values ----------------------------------------------------------------------------------------------------------

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TS = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:Z|([+-])([0-9]{2}):([0-9]{2}))?"
)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_EPOCH = date(1970, 1, 1).toordinal()
EARLIEST = (date(2000, 1, 1).toordinal() - _EPOCH) * _DAY


def instant(value: Any) -> int | None:
    """Microseconds since 1970 of a timestamp's text; None for what is none."""
    match = _TS.fullmatch(value) if isinstance(value, str) and not isinstance(value, Num) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, hours, minutes = match.groups()[6:]
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59 or (sign and (int(hours) > 23 or int(minutes) > 59)):
        return None
    offset = (int(hours) * 60 + int(minutes)) * 60 * (-1 if sign == "-" else 1) if sign else 0
    seconds = (hour * 60 + minute) * 60 + second - offset
    return (ordinal - _EPOCH) * _DAY + seconds * _SECOND + int((fraction or "").ljust(6, "0")[:6])


def _valid(field: Field, value: Any) -> bool:
    is_text = isinstance(value, str) and not isinstance(value, Num)
    match field.kind:
        case "text":
            return is_text
        case "uuid":
            return is_text and _UUID.fullmatch(value) is not None
        case "id":
            control = is_text and any(c < " " or "\x7f" <= c <= "\x9f" for c in value)
            return is_text and 1 <= len(value) <= 128 and not control and not _is_email(value)
        case "uuids":
            return isinstance(value, list) and all(_valid(Field("", "uuid", False, None, None), item) for item in value)
        case "int":
            is_int = isinstance(value, Num) and re.fullmatch("-?[0-9]+", value) is not None
            return is_int and len(value) < 2000 and -(2**63) <= int(value) < 2**63 and _within(field, value)
        case "num":
            return isinstance(value, Num) and _within(field, value)
        case "bool":
            return value is True or value is False
        case "ts":
            return instant(value) is not None
        case "object":
            return isinstance(value, dict)
        case "list":
            return isinstance(value, list)
        case "numtext":
            return isinstance(value, str)
    return True


def _is_email(text: str) -> bool:
    return re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text) is not None


def _within(field: Field, number: str) -> bool:
    value = Decimal(number)
    return (field.low is None or field.low <= value) and (field.high is None or value <= field.high)


# --- the verdict -----------------------------------------------------------------------------------------------------


def judge(spec: Spec, doc: Any, day: date, batch: dict[str, Any] | None = None) -> str:
    """The verdict on one document (of a batch: on one event of it), by the order of events.md."""
    if not isinstance(doc, dict):
        return "malformed"
    if batch is not None and len(batch["events"]) > MOST_EVENTS:
        return "batch_too_large"
    envelope = [(f, (batch or {}).get(f.name)) for f in fields(spec.batch)]
    envelope += [(f, doc.get(f.name)) for f in fields(spec.envelope)]
    kind = doc.get(spec.type_field) if spec.type_field else None
    is_text = isinstance(kind, str) and not isinstance(kind, Num)
    if is_text and kind not in spec.types:
        return "unknown_event_type"
    references, inner = spec.types[kind] if is_text else ("", "")
    payload = doc.get(spec.payload) if spec.payload else None
    members = [(f, payload.get(f.name) if isinstance(payload, dict) else None) for f in fields(inner)]
    if any(f.required and value is None for f, value in envelope):
        return "missing_field"
    if any(doc.get(name) is None for name in references.split()):
        return "missing_field"
    if (payload is None or isinstance(payload, dict)) and any(f.required and v is None for f, v in members):
        return "missing_field"
    if any(value is not None and not _valid(f, value) for f, value in envelope + members):
        return "invalid_field"
    if payload is not None and len(compact(payload).encode()) > MOST_PAYLOAD_BYTES:
        return "payload_too_large"
    at = _event_time(spec, doc, batch)
    latest = (day.toordinal() - _EPOCH + 2) * _DAY
    if at is not None and not EARLIEST <= at <= latest:
        return "timestamp_out_of_range"
    return ACCEPTED


def _event_time(spec: Spec, doc: dict[str, Any], batch: dict[str, Any] | None) -> int | None:
    if batch is None:
        return instant(doc.get(spec.time_field)) if spec.time_field else None
    times = [instant(event.get("client_ts")) for event in batch["events"] if isinstance(event, dict)]
    received, own = instant(batch["received_at"]), instant(doc["client_ts"])
    assert received is not None and own is not None
    return received - (max(time for time in times if time is not None) - own)


def judged(spec: Spec, doc: Any, day: date, line: int, raw: str | None) -> Iterator[Row]:
    """The rows of one document: itself, or the events in it."""
    if not spec.batch:
        verdict = judge(spec, doc, day)
        yield Row(line, 0, verdict, raw, _values(spec, doc) if verdict == ACCEPTED else {})
    elif not isinstance(doc, dict):
        yield Row(line, 0, "malformed", raw)
    elif not isinstance(doc.get("events"), list):
        missing = any(f.required and doc.get(f.name) is None for f in fields(spec.batch))
        yield Row(line, 0, "missing_field" if missing else "invalid_field", raw)
    else:
        for index, event in enumerate(doc["events"]):
            yield Row(line, index, judge(spec, event, day, doc))


def _values(spec: Spec, doc: dict[str, Any]) -> dict[str, Any]:
    """What the lake has to hold of an accepted row, byte for byte: its ids, its type, its instants and numbers."""
    found: dict[str, Any] = {}
    for f in fields(spec.envelope):
        value = doc.get(f.name)
        if value is None:
            continue
        if f.name == spec.type_field:
            found[f.name] = ALIASES.get(value, value)
        elif f.kind in ("uuid", "id"):
            found[f.name] = value.lower() if f.kind == "uuid" else value
        elif f.kind == "int":
            found[f.name] = int(value)
        elif f.kind == "ts":
            micros = instant(value)
            assert micros is not None
            if 0 <= micros <= _DAY * 365 * 8000:
                found[f.name] = datetime(1970, 1, 1) + timedelta(microseconds=micros)
    return found


# --- files -----------------------------------------------------------------------------------------------------------


def rows_of(path: Path, system: str, stream: str, day: date) -> list[Row]:
    """Every row of a file. Raises Unreadable."""
    spec = SPECS[system, stream]
    name = path.name
    if name.endswith(".parquet"):
        return _parquet_rows(path, spec, day)
    data = unpacked(path)
    return list(_csv_rows(data, spec, day) if ".csv" in name[-7:] else _ndjson_rows(data, spec, day))


def unpacked(path: Path) -> bytes:
    """The content of a file, packed or not. Raises Unreadable."""
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            if not data:
                raise Unreadable("empty")
            return gzip.decompress(data)
        if path.suffix == ".zst":
            if not data:
                raise Unreadable("empty")
            return pa.CompressedInputStream(pa.BufferReader(data), "zstd").read()
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise Unreadable(str(error)) from error
    return data


def _ndjson_rows(data: bytes, spec: Spec, day: date) -> Iterator[Row]:
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = line.removesuffix(b"\r")
        if not line.strip(b" \t\r"):
            continue
        raw = line.decode(errors="replace")
        if len(line) > LONGEST_ROW:
            yield Row(number, 0, "malformed")
            continue
        try:
            doc = parse(line.decode())
        except ValueError:  # UnicodeDecodeError is one
            yield Row(number, 0, "malformed", raw)
        except TooDeep:
            yield Row(number)
        else:
            yield from judged(spec, doc, day, number, raw)


def _csv_rows(data: bytes, spec: Spec, day: date) -> Iterator[Row]:
    records = list(_csv_records(data.removeprefix(b"\xef\xbb\xbf")))
    if not records:
        return
    raw, header = records[0]
    if header is None or len(set(header)) < len(header) or "\ufffd" in raw.decode(errors="replace"):
        raise Unreadable("the header")
    kinds = {f.name: f.kind for f in fields(spec.batch or spec.envelope)}
    for number, (raw, cells) in enumerate(records[1:], 1):
        text = raw.decode(errors="replace")
        if cells is None or len(cells) != len(header) or not _is_utf8(raw):
            yield Row(number, 0, "malformed", text)
            continue
        pairs = zip(header, cells, strict=True)
        try:
            doc = {name: _cell(kinds.get(name, "text"), cell) for name, cell in pairs if cell != ""}
        except TooDeep:
            yield Row(number)
            continue
        yield from judged(spec, doc, day, number, None if spec.batch else text)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv_records(data: bytes) -> Iterator[tuple[bytes, list[str] | None]]:
    """Records, each as it came and as cells; no cells where a quote is broken: then the record is its first line."""
    at = 0
    while at < len(data):
        found = _csv_record(data, at)
        if found is not None:
            end, cells = found
        else:
            end, cells = data.find(b"\n", at) + 1 or len(data), None
        raw = data[at:end].removesuffix(b"\n").removesuffix(b"\r")
        at = end
        if raw:
            yield raw, cells


def _csv_record(data: bytes, at: int) -> tuple[int, list[str]] | None:
    cells = []
    while True:
        if data[at : at + 1] == b'"':
            start = at = at + 1
            while True:
                at = data.find(b'"', at)
                if at < 0:
                    return None
                if data[at : at + 2] != b'""':
                    break
                at += 2
            cell = data[start:at].replace(b'""', b'"')
            at += 1
        else:
            start = at
            while at < len(data) and data[at] not in b'",\r\n':
                at += 1
            cell = data[start:at]
        cells.append(cell.decode(errors="replace"))
        if data[at : at + 1] == b",":
            at += 1
        elif at == len(data):
            return at, cells
        elif data[at : at + 1] == b"\n" or data[at : at + 2] == b"\r\n":
            return data.index(b"\n", at) + 1, cells
        else:
            return None


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _cell(kind: str, cell: str) -> Any:
    """The JSON value that a CSV cell stands for, by the type of its field."""
    if kind in ("int", "num", "numtext") and re.fullmatch("[+-]?[0-9]+", cell):
        digits = cell.lstrip("+-").lstrip("0") or "0"
        return Num(f"-{digits}" if cell.startswith("-") else digits)
    if kind in ("num", "numtext") and _NUMBER.fullmatch(cell):
        return Num(cell)
    if kind == "bool" and cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    if kind in ("object", "list", "any", "uuids"):
        try:
            return parse(cell)
        except NotJson:
            return cell
    return cell


_SIMPLE: list[Callable[[pa.DataType], bool]] = [
    *(pa.types.is_string, pa.types.is_int64, pa.types.is_boolean, pa.types.is_null),
]


def _parquet_rows(path: Path, spec: Spec, day: date) -> list[Row]:
    """Of simple types each row is judged, of others they are counted."""
    try:
        table = pq.ParquetFile(path).read()
    except Exception as error:  # a broken file may end in any of Arrow's errors, and in Python's
        raise Unreadable(str(error)) from error
    if spec.batch or not all(any(is_one(f.type) for is_one in _SIMPLE) for f in table.schema):
        return [Row(number) for number in range(1, table.num_rows + 1)]
    kinds = {f.name: f.kind for f in fields(spec.envelope)}
    rows: list[Row] = []
    for number, row in enumerate(table.to_pylist(), 1):
        doc = {name: _typed(kinds.get(name, "text"), value) for name, value in row.items() if value is not None}
        rows += judged(spec, doc, day, number, None)
    return rows


def _typed(kind: str, value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return Num(value)
    if kind in ("object", "list", "any", "uuids"):
        try:
            return parse(value)
        except NotJson:
            return value
    return value
