"""Recommendation, collaboration and textbook: verdicts, what is stored, and loads of every format."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Put, Query, load_all
from judging import KEY, U1, collaboration, one, recommendation, run, stream, textbook

from ingestion import __main__ as cli
from ingestion import ledger
from ingestion.home import Home
from ingestion.privacy import keyed_hash
from ingestion.validation import Drift

RECOMMENDATION, COLLABORATION, TEXTBOOK = map(stream, ("recommendation", "collaboration", "textbook"))
AI = {"user_id": U1, "chapter_id": "c", "block_type": "quiz"}
BIG = {"pad": "y" * 5000}


def without(name: str, row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


VERDICTS: list[tuple[str, Any, str, str]] = [
    ("recommendation", None, "malformed", "torn line"),
    ("recommendation", recommendation("click"), "unknown_event_type", 'event: "click"'),
    ("recommendation", recommendation("Tap", child_id=None), "unknown_event_type", 'event: "Tap"'),
    ("recommendation", {**recommendation(), "event": None}, "missing_field", "event"),
    ("recommendation", {**recommendation(), "event": 1}, "invalid_field", "event: 1"),
    ("recommendation", {}, "missing_field", "event_key"),
    ("recommendation", recommendation(child_id=None, occurred_at=None), "missing_field", "child_id"),
    ("recommendation", recommendation(recommendation_id=None), "missing_field", "recommendation_id"),
    ("recommendation", recommendation(occurred_at=None), "missing_field", "occurred_at"),
    ("recommendation", recommendation(event_key=""), "invalid_field", 'event_key: ""'),
    ("recommendation", recommendation(event_key=7), "invalid_field", "event_key: 7"),
    ("recommendation", recommendation(event_order="1"), "invalid_field", 'event_order: "1"'),
    ("recommendation", recommendation(event_order=1.0), "invalid_field", "event_order: 1.0"),
    ("recommendation", recommendation(event_order=2**63), "invalid_field", "event_order: [card]"),
    ("recommendation", recommendation(child_id="kim@example.com"), "invalid_field", 'child_id: "[email]"'),
    (
        "recommendation",
        recommendation(recommendation_id="r" * 129),
        "invalid_field",
        f'recommendation_id: "{"r" * 129}"',
    ),
    ("recommendation", recommendation(occurred_at="noon"), "invalid_field", 'occurred_at: "noon"'),
    ("recommendation", recommendation(metadata=[]), "invalid_field", "metadata: []"),
    ("recommendation", recommendation(metadata={"position": "1"}), "invalid_field", 'metadata.position: "1"'),
    ("recommendation", recommendation(metadata={"position": 1.0}), "invalid_field", "metadata.position: 1.0"),
    ("recommendation", recommendation(metadata=BIG), "payload_too_large", "metadata: 5010 bytes"),
    (
        "recommendation",
        recommendation(occurred_at="1999-12-31T23:59:59Z"),
        "timestamp_out_of_range",
        "occurred_at: 1999-12-31T23:59:59Z",
    ),
    ("collaboration", collaboration("draftviewed"), "unknown_event_type", 'event_type: "draftviewed"'),
    ("collaboration", {**collaboration(), "event_type": None}, "missing_field", "event_type"),
    ("collaboration", collaboration(timestamp=None), "missing_field", "timestamp"),
    ("collaboration", without("data", collaboration()), "missing_field", "data"),
    ("collaboration", collaboration(data={}), "missing_field", "data.draft_id"),
    ("collaboration", collaboration(data={"draft_id": "d"}), "missing_field", "data.user_id"),
    ("collaboration", collaboration("DraftCreated"), "missing_field", "data.creator_id"),
    ("collaboration", collaboration("SegmentAdded", {"draft_id": "d"}), "missing_field", "data.segment_id"),
    (
        "collaboration",
        collaboration("SegmentAdded", {"draft_id": "d", "segment_id": "s"}),
        "missing_field",
        "data.contributor_id",
    ),
    (
        "collaboration",
        collaboration("RINGPassed", {"draft_id": "d", "from_user_id": "u"}),
        "missing_field",
        "data.to_user_id",
    ),
    ("collaboration", collaboration("DraftPublishedEvent"), "missing_field", "data.publisher_id"),
    ("collaboration", collaboration(data="text"), "invalid_field", "data"),
    (
        "collaboration",
        collaboration(data={"draft_id": "d", "user_id": "kim@example.com"}),
        "invalid_field",
        'data.user_id: "[email]"',
    ),
    ("collaboration", collaboration(data={"draft_id": 5, "user_id": "u"}), "invalid_field", "data.draft_id: 5"),
    (
        "collaboration",
        collaboration(data={"draft_id": "d", "user_id": "u", **BIG}),
        "payload_too_large",
        "data: 5039 bytes",
    ),
    (
        "collaboration",
        collaboration(timestamp="2025-09-03T00:00:01Z"),
        "timestamp_out_of_range",
        "timestamp: 2025-09-03T00:00:01Z",
    ),
    ("textbook", textbook("chapter_visits"), "unknown_event_type", 'event_type: "chapter_visits"'),
    ("textbook", textbook(timestamp=None), "missing_field", "timestamp"),
    ("textbook", without("payload", textbook()), "missing_field", "payload"),
    ("textbook", textbook(payload={"user_id": "u"}), "missing_field", "payload.chapter_id"),
    ("textbook", textbook("ai_block_used"), "missing_field", "payload.block_type"),
    ("textbook", textbook("error_event"), "missing_field", "payload.error_type"),
    ("textbook", textbook("error_event", {"error_type": None}), "missing_field", "payload.error_type"),
    ("textbook", textbook(payload=[1]), "invalid_field", "payload: [1]"),
    ("textbook", textbook("ai_block_used", "may hold free text"), "invalid_field", "payload"),
    # A text was hidden only where the event's own type has free text: this one stood in the run history.
    ("textbook", textbook("chapter_visit", '{"user_id": "Bobsecret"}'), "invalid_field", "payload"),
    ("textbook", textbook("ai_block_used", {**AI, "section_id": ""}), "invalid_field", 'payload.section_id: ""'),
    ("textbook", textbook(timestamp=1_756_720_800), "invalid_field", "timestamp: [phone]"),
    (
        "textbook",
        textbook("ai_block_used", {**AI, "query": "y" * 4096}),
        "payload_too_large",
        f"payload: {len(json.dumps({**AI, 'query': 'y' * 4096}, separators=(',', ':')))} bytes",
    ),
    (
        "textbook",
        textbook(timestamp="2040-01-01T00:00:00+02:00"),
        "timestamp_out_of_range",
        "timestamp: 2039-12-31T22:00:00Z",
    ),
]


@pytest.mark.parametrize(("system", "doc", "reason", "detail"), VERDICTS)
def test_verdicts(system: str, doc: Any, reason: str, detail: str) -> None:
    assert one(stream(system), doc) == (reason, detail)


def test_columns_of_recommendation() -> None:
    metadata = {"position": 3, "surface": "home", "recommendation_type": {"a": 1}}
    row = one(RECOMMENDATION, recommendation(metadata=metadata, event_order=-5))
    assert isinstance(row, dict)
    expected = {
        "row_id": "k-1",
        "event_key": "k-1",
        "event_order": -5,
        "event": "tap",
        "child_id": U1,
        "recommendation_id": "r-1",
        "occurred_at": datetime(2025, 9, 1, 10),
        "position": 3,
        "payload": '{"position":3,"recommendation_type":{"a":1},"surface":"home"}',
    }
    assert {name: row[name] for name in expected} == expected
    bare = one(RECOMMENDATION, recommendation())
    assert isinstance(bare, dict) and (bare["position"], bare["event_order"], bare["payload"]) == (None, None, None)


def test_columns_of_collaboration() -> None:
    people = {"from_user_id": "u-1", "to_user_id": "u-1"}
    docs = [
        collaboration("DraftCreated", {"draft_id": "d", "creator_id": "u-1"}),
        collaboration("SegmentAdded", {"draft_id": "d", "segment_id": "s", "contributor_id": "u-2"}),
        collaboration("RINGPassed", {"draft_id": "d", **people}),
        collaboration("DraftPublishedEvent", {"draft_id": "d", "publisher_id": "u-3"}),
        collaboration(data={"draft_id": "d", "user_id": "u-4", "creator_id": "drift"}),
    ]
    roles = ("creator_id", "segment_id", "contributor_id", "from_user_id", "to_user_id", "publisher_id", "user_id")
    verdicts = run(COLLABORATION, docs)
    assert [{name: row[name] for name in roles if row[name] is not None} for row in verdicts.accepted] == [
        {"creator_id": "u-1"},
        {"segment_id": "s", "contributor_id": "u-2"},
        people,
        {"publisher_id": "u-3"},
        {"user_id": "u-4"},
    ]
    assert {row["draft_id"] for row in verdicts.accepted} == {"d"}
    assert [row["event_type"] for row in verdicts.accepted[3:]] == ["DraftPublished", "DraftViewed"]
    assert verdicts.judged.drift == [Drift("creator_id", "DraftViewed", "unknown_field", 1)]


def test_columns_and_free_text_of_textbook() -> None:
    query, message = (
        "mail kim@example.com",
        "GET https://x.example/a?user=7 failed for kim@example.com, +49 170 1234567",
    )
    docs = [
        textbook("ai_block_used", {**AI, "section_id": "s", "query": query}),
        textbook("error_event", {"error_type": "E1", "error_message": message, "chapter_id": "c"}),
    ]
    used, error = run(TEXTBOOK, docs).accepted
    names = ("user_id", "chapter_id", "section_id", "block_type", "error_type")
    assert [used[name] for name in names] == [U1, "c", "s", "quiz", None]
    assert [error[name] for name in names] == [None, "c", None, None, "E1"]
    assert json.loads(used["payload"])["query"] == {"hash": keyed_hash(KEY, query), "length": 20}
    assert json.loads(error["payload"])["error_message"] == {
        "hash": keyed_hash(KEY, message),
        "length": len(message),
        "text": "GET https://x.example/a?[query] failed for [email], [phone]",
    }


@pytest.mark.parametrize(
    ("value", "grain"),
    [
        ("diagram", "diagram"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "other"),
        ("from kim@example.com", "other"),
        ("10.1.2.3", "other"),
        ("ip 10.9.8.7.", "other"),
        ("addr2001:db8::1", "other"),
        (404, "404"),
        (["a"], '["a"]'),
    ],
)
def test_grains(value: Any, grain: str) -> None:
    """An address that a full stop or a word follows stood in `error_daily_stats` as it came."""
    docs = [textbook("ai_block_used", {**AI, "block_type": value}), textbook("error_event", {"error_type": value})]
    verdicts = run(TEXTBOOK, docs)
    used, error = verdicts.accepted
    assert (used["block_type"], error["error_type"]) == (grain, grain)
    # Only block types are a closed list.
    listed = [] if value == "diagram" else [Drift("block_type", "ai_block_used", "unlisted_value", 1)]
    assert verdicts.judged.drift == listed


def test_unknown_fields_are_drift() -> None:
    docs = [
        recommendation(metadata={"position": 1, "shelf": "kim@example.com"}, app="1.2"),
        collaboration("DraftPublishedEvent", {"draft_id": "d", "publisher_id": "u", "title": "call 0123456789"}),
    ]
    verdicts = run(RECOMMENDATION, docs[:1])
    assert json.loads(verdicts.accepted[0]["payload"]) == {"position": 1, "shelf": "[email]", "app": "1.2"}
    assert verdicts.judged.drift == [Drift("app", "tap", "unknown_field", 1), Drift("shelf", "tap", "unknown_field", 1)]
    verdicts = run(COLLABORATION, docs[1:])
    assert json.loads(verdicts.accepted[0]["payload"])["title"] == "call [phone]"
    assert verdicts.judged.drift == [Drift("title", "DraftPublished", "unknown_field", 1)]


def test_unknown_fields_do_not_name_an_address() -> None:
    """The name of a field that was a short IP address stood in the drift report, and so in the run history."""
    verdicts = run(TEXTBOOK, [textbook(payload={"user_id": U1, "chapter_id": "c", "10.1.2.3": "from 10.9.8.7."})])
    assert json.loads(verdicts.accepted[0]["payload"])["[ip]"] == "from [ip]."
    assert verdicts.judged.drift == [Drift("[ip]", "chapter_visit", "unknown_field", 1)]


# --- loads ---

# Rows of each system: three good ones, and one of each reason that every format can hold.
ROWS: dict[str, list[dict[str, Any]]] = {
    "recommendation": [
        recommendation("impression", {"position": 1, "surface": 'a "b", c\nd'}, event_key="k-1", event_order=1),
        recommendation("tap", {"position": 2}, event_key=f"{U1}:tap:r-1"),
        recommendation("abandon", event_key="k-3", occurred_at="2025-09-01T10:00:00.25+01:00"),
        recommendation("unheard", event_key="k-4"),
        recommendation(event_key="k-5", child_id=None),
        recommendation(event_key="k-6", metadata={"position": "first"}),
        recommendation(event_key="k-7", metadata=BIG),
        recommendation(event_key="k-8", occurred_at="1970-01-01T00:00:00Z"),
    ],
    "collaboration": [
        collaboration("DraftCreated", {"draft_id": "d", "creator_id": "u"}, idempotency_key="k-1"),
        collaboration("DraftPublishedEvent", {"draft_id": "d", "publisher_id": "u"}),
        collaboration("RINGPassed", {"draft_id": "d", "from_user_id": "ü", "to_user_id": "v", "n": 1.50}),
        collaboration("unheard"),
        collaboration("DraftShared", {"draft_id": "d"}),
        collaboration(data={"draft_id": "d", "user_id": "kim@example.com"}),
        collaboration(data={"draft_id": "d", "user_id": "u", **BIG}),
        collaboration(timestamp="2062-01-01T00:00:00Z"),
    ],
    "textbook": [
        textbook(event_id="e-1"),
        textbook("ai_block_used", {**AI, "query": 'why "so", and\nso?'}),
        textbook("error_event", {"error_type": "E", "error_message": "mail kim@example.com"}),
        textbook("unheard"),
        textbook("ai_block_used", {"user_id": "u", "chapter_id": "c"}),
        textbook(payload={"user_id": "u", "chapter_id": 5}),
        textbook("ai_block_used", {**AI, "query": "y" * 5000}),
        textbook(timestamp="1999-12-31T23:59:59Z"),
    ],
}
REASONS = ("unknown_event_type", "missing_field", "invalid_field", "payload_too_large", "timestamp_out_of_range")


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def cells(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows whose objects are JSON text."""
    return [{name: json.dumps(v) if isinstance(v, dict) else v for name, v in row.items()} for row in rows]


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, sorted({name for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(cells(rows))
    return out.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    """Instants as timestamps, objects as JSON text."""
    names = sorted({name for row in rows for name in row})
    typed = [
        {name: datetime.fromisoformat(v) if name in ("timestamp", "occurred_at") else v for name, v in row.items()}
        for row in cells(rows)
    ]
    out = io.BytesIO()
    pq.write_table(pa.table({name: pa.array([row.get(name) for row in typed]) for name in names}), out)
    return out.getvalue()


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "ndjson": lines,
    "ndjson.gz": lambda rows: gzip.compress(lines(rows)),
    "ndjson.zst": lambda rows: pa.Codec("zstd").compress(lines(rows), asbytes=True),
    "csv": as_csv,
    "csv.gz": lambda rows: gzip.compress(as_csv(rows)),
    "parquet": as_parquet,
}


@pytest.mark.parametrize("system", ROWS)
def test_the_same_rows_in_every_format(home: Home, put: Put, query: Query, system: str) -> None:
    for day, (suffix, written) in enumerate(FORMATS.items(), 1):
        put(f"{system}/2025-09-{day:02d}/events.{suffix}", written(ROWS[system]))
    loads = load_all(home)
    assert len(loads) == len(FORMATS)
    for load in loads:
        assert (load.rows_read, load.rows_accepted, load.rejected) == (8, 3, dict.fromkeys(REASONS, 1)), load
    content = "* exclude (source_file, source_line, load_id, extract_date)"
    assert query(f"select count(*) from (select distinct {content} from lake.raw.{system}_events)") == [(3,)]
    reasons = query("select source_line, reason, count(*) from lake.raw.quarantine group by all order by 1")
    assert reasons == [(4 + i, reason, len(FORMATS)) for i, reason in enumerate(REASONS)]
    assert ledger.verify(home) == []


def test_rows_lie_in_the_order_of_their_time(home: Home, put: Put, query: Query) -> None:
    """The fields of time have names that SQL knows as types."""
    for system, field in (("recommendation", "occurred_at"), ("collaboration", "timestamp"), ("textbook", "timestamp")):
        rows = [{**ROWS[system][0], field: f"2025-09-01T10:00:0{second}Z"} for second in (3, 1, 2)]
        put(f"{system}/2025-09-01/events.ndjson", lines(rows))
    load_all(home)
    for system, field in (("recommendation", "occurred_at"), ("collaboration", "timestamp"), ("textbook", "timestamp")):
        assert query(f'select second("{field}") from lake.raw.{system}_events') == [(1,), (2,), (3,)]


def test_broken_lines_and_copies(home: Home, put: Put, query: Query) -> None:
    """Copies are settled in the warehouse: the lake keeps each, under one id and with what tells a conflict."""
    rows = [textbook(), textbook(), textbook(event_id="e"), textbook(event_id="e", timestamp="2025-09-01T11:00:00Z")]
    put("textbook/2025-09-01/events.ndjson", lines(rows) + b'{"torn\n[1]\n\n')
    [load] = load_all(home)
    assert (load.rows_read, load.rows_accepted, load.rejected) == (6, 4, {"malformed": 2})
    copies = query("select count(*), count(distinct content_hash) from lake.raw.textbook_events group by row_id")
    assert Counter(copies) == Counter([(2, 1), (2, 2)])


def test_the_command_knows_every_system(
    home: Home, put: Put, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    for system, rows in ROWS.items():
        put(f"{system}/2025-09-01/events.ndjson", lines(rows))
    assert cli.main(["load"]) == 0
    assert cli.main(["status"]) == 0
    shown = capsys.readouterr().out
    for system in ROWS:
        assert f"{system}/events: 1 date, 2025-09-01 to 2025-09-01: 8 rows read, 3 valid, 5 rejected, 0 erased" in shown
    assert cli.main(["verify"]) == 0
    assert cli.main(["erase", U1]) == 0
    shown = capsys.readouterr().out
    assert "recommendation/2025-09-01/events: 8 rows read, 0 valid, 1 rejected, 7 erased" in shown
