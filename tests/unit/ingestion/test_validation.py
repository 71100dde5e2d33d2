from __future__ import annotations

import hashlib
import json
import random
import time
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from judging import KEY, U1, U2, assessment, batch, batch_event, one, run, stream, study

from ingestion.contract import EventType, Field, load_contracts, raw_columns
from ingestion.exact import Exact
from ingestion.privacy import keyed_hash
from ingestion.validation import Drift, judge, most_drift

STUDY = stream("study")
ASSESSMENT = stream("assessment")
BATCHES = stream("assessment", "batches")


def test_accepted_and_rejected_have_the_columns_of_the_contract() -> None:
    for contract in load_contracts().values():
        for of in contract.streams:
            con = duckdb.connect()
            judged = run(of, ["{}", None], con=con).judged
            accepted = con.execute(f"DESCRIBE {judged.accepted}").fetchall()
            assert [row[:2] for row in accepted] == [column[:2] for column in raw_columns(of)]
            rejected = con.execute(f"DESCRIBE {judged.rejected}").fetchall()
            assert [row[:2] for row in rejected] == [
                ("source_file", "VARCHAR"),
                ("source_line", "BIGINT"),
                ("batch_index", "INTEGER"),
                ("source", "VARCHAR"),
                ("reason", "VARCHAR"),
                ("detail", "VARCHAR"),
                ("raw", "VARCHAR"),
            ]


def test_no_documents() -> None:
    judged = run(STUDY, []).judged
    assert (judged.rows_read, judged.rows_accepted, judged.rejected_by_reason, judged.drift) == (0, 0, {}, [])


# --- verdicts

VERDICTS: list[tuple[Any, str, str]] = [
    (None, "malformed", "torn line"),
    (study("nope"), "unknown_event_type", 'event_type: "nope"'),
    (study("nope", event_id=None, user_id=5), "unknown_event_type", 'event_type: "nope"'),
    (study(""), "unknown_event_type", 'event_type: ""'),
    (study("Session_end"), "unknown_event_type", 'event_type: "Session_end"'),
    (study("session_end "), "unknown_event_type", 'event_type: "session_end "'),
    ({**study(), "event_type": None}, "missing_field", "event_type"),
    ({**study(), "event_type": None, "event_id": None}, "missing_field", "event_id"),
    ({**study(), "event_type": 7}, "invalid_field", "event_type: 7"),
    ({**study(), "event_type": ["session_end"]}, "invalid_field", 'event_type: ["session_end"]'),
    ({**study(), "event_type": 7, "user_id": None}, "missing_field", "user_id"),
    ({}, "missing_field", "event_id"),
    (study(user_id=None, event_ts=None), "missing_field", "event_ts"),
    (study(session_id=None), "missing_field", "session_id"),
    (study("material_open", material_id=None, topic_id=None), "missing_field", "material_id"),
    (study("material_open", user_id=None, material_id=None), "missing_field", "user_id"),
    (study("question_submit", {}, topic_id=None), "missing_field", "topic_id"),
    (study("question_submit", {}), "missing_field", "properties.is_correct"),
    (study("question_submit"), "missing_field", "properties.is_correct"),
    ({**study("question_submit"), "properties": None}, "missing_field", "properties.is_correct"),
    (study("question_submit", {"is_correct": None}, user_id="x"), "missing_field", "properties.is_correct"),
    (study(event_id="x", user_id="y"), "invalid_field", 'event_id: "x"'),
    (study(event_id="", user_id="y"), "invalid_field", 'event_id: ""'),
    (study(chunk_id=5), "invalid_field", "chunk_id: 5"),
    (study(event_ts="yesterday"), "invalid_field", 'event_ts: "yesterday"'),
    (study(client_ts="2025-09-01"), "invalid_field", 'client_ts: "2025-09-01"'),
    (study(properties=[1]), "invalid_field", "properties: [1]"),
    (study(properties='{"a":1}'), "invalid_field", "properties"),
    (study("question_submit", "x"), "invalid_field", "properties"),
    (study("question_submit", [], question_id="x"), "invalid_field", 'question_id: "x"'),
    (study("question_submit", {"is_correct": "true"}), "invalid_field", 'properties.is_correct: "true"'),
    (study("question_submit", {"is_correct": 1, "hint_used": 1}), "invalid_field", "properties.is_correct: 1"),
    (
        study("question_submit", {"hint_used": 1, "is_correct": True, "confidence_level": 1.5}),
        "invalid_field",
        "properties.confidence_level: 1.5",
    ),
    (study("material_read", {"time_spent_seconds": -1}), "invalid_field", "properties.time_spent_seconds: -1"),
    (
        study("material_read", {"time_spent_seconds": 1, "scroll_depth_percent": 100.5}),
        "invalid_field",
        "properties.scroll_depth_percent: 100.5",
    ),
    (study("xp_earned", {"xp_amount": 5.0}), "invalid_field", "properties.xp_amount: 5.0"),
    (study("xp_earned", {"xp_amount": -1}), "invalid_field", "properties.xp_amount: -1"),
    (study("quiz_start", {"quiz_id": ""}), "invalid_field", 'properties.quiz_id: ""'),
    (study("quiz_start", {"quiz_id": "me@example.org"}), "invalid_field", 'properties.quiz_id: "[email]"'),
    (study("ai_question_asked", {"detected_topics": ["x"]}), "invalid_field", 'properties.detected_topics: ["x"]'),
    (study("search_performed", "free text"), "invalid_field", "properties"),
    (study(properties={"x": "é" * 2045}), "payload_too_large", "properties: 4098 bytes"),
    (
        study(properties={"x": "y" * 5000}, event_ts="1999-01-01 00:00:00"),
        "payload_too_large",
        "properties: 5008 bytes",
    ),
    (study(properties={"x": "y" * 5000}, user_id="z"), "invalid_field", 'user_id: "z"'),
    (study(event_ts="1999-12-31T23:59:59.999999Z"), "timestamp_out_of_range", "event_ts: 1999-12-31T23:59:59Z"),
    (study(event_ts="2025-09-03T00:00:00.000001Z"), "timestamp_out_of_range", "event_ts: 2025-09-03T00:00:00Z"),
]


@pytest.mark.parametrize(("doc", "reason", "detail"), VERDICTS)
def test_study_verdicts(doc: Any, reason: str, detail: str) -> None:
    assert one(STUDY, doc) == (reason, detail)


@pytest.mark.parametrize(
    ("doc", "reason", "detail"),
    [
        (assessment(seq=-1), "invalid_field", "seq: -1"),
        (assessment(seq="1"), "invalid_field", 'seq: "1"'),
        (assessment(event_version=1.5), "invalid_field", "event_version: 1.5"),
        (assessment(created_at="x"), "invalid_field", 'created_at: "x"'),
        (assessment("QUESTION_VIEWED", question_id=None), "missing_field", "question_id"),
        (assessment("MARK_FOR_REVIEW_TOGGLED", question_id=None), "missing_field", "question_id"),
        (assessment("ANSWER_CHANGED", {"answer_index": "A"}), "invalid_field", 'payload_json.answer_index: "A"'),
        (assessment("PAUSE_BLUR"), "missing_field", "payload_json.state"),
        (assessment("QUESTION_VIEWED", {"position": "1"}), "invalid_field", 'payload_json.position: "1"'),
        (assessment(session_id=None), "missing_field", "session_id"),
        (assessment(payload=5), "invalid_field", "payload_json: 5"),
    ],
)
def test_assessment_verdicts(doc: Any, reason: str, detail: str) -> None:
    assert one(ASSESSMENT, doc) == (reason, detail)


@pytest.mark.parametrize("day", [date.max, date.max - timedelta(days=1)])
def test_the_last_days_of_the_calendar(day: date) -> None:
    """A folder of the last date stopped the whole load: the end of its day is no date any more."""
    con = duckdb.connect()
    docs = json.dumps(study(event_ts="9999-12-31T23:59:59.999999Z")).replace("'", "''")
    con.execute(
        f"CREATE TABLE docs AS SELECT 'a' source_file, 1 source_line, '{docs}' doc, '' raw, NULL::VARCHAR fault,"
        " false is_known"
    )
    assert judge(con, STUDY, "docs", day, KEY).rows_accepted == 1


def test_the_limits_of_time_are_in() -> None:
    for ts in ("2000-01-01T00:00:00Z", "2025-09-03T00:00:00Z", "2025-09-03T02:00:00+02:00"):
        assert isinstance(one(STUDY, study(event_ts=ts)), dict)


@pytest.mark.parametrize("spelling", ["1.10", "1e5", "0.1234567890123456789", "5.0", "-0"])
def test_payload_size_is_that_of_the_compact_text_with_numbers_as_spelled(spelling: str) -> None:
    def doc(length: int) -> str:
        members = f'"a" : {spelling} , "x" : "{"y" * (length - len(spelling) - 14)}\\u0041"'
        return json.dumps(study()).removesuffix("}") + f', "properties": {{ {members} }} }}'

    assert isinstance(one(STUDY, doc(4096)), dict)
    assert one(STUDY, doc(4097)) == ("payload_too_large", "properties: 4097 bytes")


def test_unknown_envelope_fields_join_the_payload_after_the_size_rule() -> None:
    row = one(STUDY, study(properties={"a": "x" * 4000}, more="y" * 4000))
    assert isinstance(row, dict) and len(row["payload"]) > 8000


def test_the_shown_value_is_cut_and_scrubbed() -> None:
    reason, detail = one(STUDY, study(user_id="me@example.org +49 170 1234567 " + "x" * 500))
    assert reason == "invalid_field" and detail == 'user_id: "[email] [phone] ' + "x" * 182 + "…"
    assert len(detail) == len("user_id: ") + 200


def test_what_the_judge_found_out_is_shown_as_it_is() -> None:
    """The size of a payload was scrubbed like a telephone number: "[phone] bytes"."""
    detail = "properties: 1000010 bytes"
    assert one(STUDY, study(properties={"pad": "y" * 1_000_000})) == ("payload_too_large", detail)


def test_free_text_is_never_shown() -> None:
    verdict = one(STUDY, study("ai_feedback_positive", '{"feedback_text": "secret"}'))
    assert verdict == ("invalid_field", "properties")


def test_raw_is_the_row_as_it_came() -> None:
    text = '{ "event_type" : "nope", "a": 1.10 }'
    assert run(STUDY, [text]).rejected[0]["raw"] == text


# --- what is stored


def test_typed_columns() -> None:
    properties = {
        "is_correct": True,
        "time_to_answer_seconds": 12.3456785,
        "selected_answer": "B",
        "correct_answer": {"a": 1},
        "confidence_level": 3,
        "is_first_attempt": False,
        "attempt_number": None,
    }
    row = one(STUDY, study("question_attempt", properties, user_id=U1.upper(), client_ts="2025-09-01 12:00:00+02:00"))
    assert isinstance(row, dict)
    expected = {
        "row_id": U1,
        "event_id": U1,
        "event_type": "question_submit",
        "event_ts": datetime(2025, 9, 1, 10),
        "client_ts": datetime(2025, 9, 1, 10),
        "user_id": U1,
        "material_id": U2,
        "chunk_id": None,
        "is_correct": True,
        "time_to_answer_seconds": Decimal("12.345679"),
        "selected_answer": "B",
        "correct_answer": hashlib.sha256(b'{"a":1}').hexdigest(),
        "confidence_level": 3,
        "is_first_attempt": False,
        "attempt_number": None,
        "hint_used": None,
        "source_file": "a.ndjson",
        "source_line": 1,
        "batch_index": 0,
    }
    assert {name: row[name] for name in expected} == expected
    assert row["payload"] == (
        '{"confidence_level":3,"correct_answer":{"a":1},"is_correct":true,"is_first_attempt":false,'
        '"selected_answer":"B","time_to_answer_seconds":12.3456785}'
    )


@pytest.mark.parametrize(
    ("device", "kept"), [("10.1.2.3", "other"), ("2001:db8::1", "other"), ("tablet 10.2", "tablet 10.2")]
)
def test_an_ip_address_is_no_device(device: str, kept: str) -> None:
    """The engine's path let short texts pass that are IP addresses: they came to stand in a mart."""
    row = one(STUDY, study("session_start", {"device_type": device}))
    assert isinstance(row, dict)
    assert row["device_type"] == kept


@pytest.mark.parametrize("answer", ["kim@example.org", "from 203.0.113.77"])
def test_of_a_short_answer_that_holds_an_address_nothing_is_kept(answer: str) -> None:
    """It was hashed without a key: whoever counts through all IP addresses finds the one."""
    row = one(STUDY, study("question_submit", {"is_correct": True, "selected_answer": answer, "correct_answer": "B"}))
    assert isinstance(row, dict)
    assert (row["selected_answer"], row["correct_answer"]) == ("other", "B")


def test_a_column_holds_the_field_of_its_own_types_only() -> None:
    row = one(
        STUDY, study("session_start", {"is_correct": "maybe", "device_type": "web", "timezone": "me@example.org"})
    )
    assert isinstance(row, dict)
    assert (row["is_correct"], row["device_type"], row["timezone"]) == (None, "web", "other")


def test_defaults_and_absent_payloads() -> None:
    row = one(ASSESSMENT, assessment(source="x" * 65))
    assert isinstance(row, dict)
    assert (row["event_version"], row["source"], row["payload"], row["created_at"]) == (1, "other", None, None)


def test_a_rejected_row_keeps_its_source_where_it_can_be_read() -> None:
    """As the raw table would store it: telemetry quality is told by source."""
    events = [
        assessment("nope", source="web"),
        assessment(source="kim.learner@example.com", seq=-1),
        assessment(source={"a": 1}, seq=-1),
        assessment(source="x" * 65, user_id=None),
        assessment(seq=-1),
        None,
    ]
    rejected = run(ASSESSMENT, events).rejected
    assert [row["source"] for row in rejected] == ["web", "other", '{"a":1}', "other", None, None]
    lines = [batch(5, {}), batch({}, source=None), batch(*[{}] * 51, source="api"), batch(events="x"), None]
    sources = [row["source"] for row in run(BATCHES, lines).rejected]
    assert sources == ["web", "web", None, *["api"] * 51, "web", None]
    assert [row["source"] for row in run(STUDY, [study("nope", source="web")]).rejected] == [None]


def test_free_text_is_hashed_alike_by_both_ways() -> None:
    """What the engine writes of a text is what the exact path writes of it."""
    texts = ["plain", 'a "quote" and a \\', "zwei\nZeilen, übung 🤦🏼", "", "nul \0 in it", "e\u0301"]
    for text in texts:
        expected = {"hash": keyed_hash(KEY, text), "length": len(text)}
        feedback = {"feedback_text": text}
        docs = [study("ai_feedback_positive", feedback), study("ai_feedback_positive", {**feedback, "more": 1})]
        by_engine, exactly = (json.loads(row["payload"]) for row in run(STUDY, docs).accepted)
        assert by_engine == {"feedback_text": expected}
        assert exactly == {"feedback_text": expected, "more": 1}
        query = {"query": f"{text} kim@example.com"}
        docs = [study("search_performed", query), study("search_performed", {**query, "more": 1})]
        by_engine, exactly = (json.loads(row["payload"]) for row in run(STUDY, docs).accepted)
        kept = {"hash": keyed_hash(KEY, query["query"]), "length": len(query["query"]), "text": f"{text} [email]"}
        assert by_engine == {"query": kept}
        assert exactly == {"query": kept, "more": 1}


def test_privacy_is_applied_to_what_is_stored() -> None:
    start = one(STUDY, study("session_start", {"ip_address": "203.0.113.77", "user_agent": "Mozilla/5.0 (1234567)"}))
    assert isinstance(start, dict)
    assert json.loads(start["payload"]) == {"ip_address": "203.0.113.0", "user_agent": "Mozilla/5.0 (1234567)"}
    search = one(STUDY, study("search_performed", {"query": "mail me@example.org"}))
    assert isinstance(search, dict)
    assert json.loads(search["payload"]) == {
        "query": {"hash": keyed_hash(KEY, "mail me@example.org"), "length": 19, "text": "mail [email]"}
    }
    feedback = one(STUDY, study("ai_feedback_negative", {"feedback_text": "bad", "rating": 1}))
    assert isinstance(feedback, dict)
    assert json.loads(feedback["payload"]) == {
        "feedback_text": {"hash": keyed_hash(KEY, "bad"), "length": 3},
        "rating": 1,
    }


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        *(("203.0.113.77", "203.0.113.0"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.0")),
        *(("10.20.30.4", "10.20.30.0"), ("2001:db8:1:2::7", "2001:db8:1::"), ("::ffff:10.0.0.9", "::")),
        *(("203.0.113.256", None), ("203.0.113.07", None), ("203.0.113", None), ("203.0.113.7 ", None), ("", None)),
        *(("1.2.3.4.5", None), ("203.0.113.7\n", None), ("203.0.113.\u0667", None)),
    ],
)
def test_an_address_is_cut_alike_by_the_engine_and_in_python(address: str, kept: str | None) -> None:
    docs = [study("session_start", {"ip_address": address}), study("session_start", {"ip_address": address, "more": 1})]
    by_engine, exactly = (json.loads(row["payload"]) for row in run(STUDY, docs).accepted)
    expected = {} if kept is None else {"ip_address": kept}
    assert (by_engine, exactly) == (expected, {**expected, "more": 1})


def test_of_documents_whose_members_are_known_none_is_looked_for() -> None:
    """Readers of tables know the names before a row is read; a null is no member."""
    event, con = study("session_end", {"xp_earned": 5, "more": 1}), duckdb.connect()
    text = json.dumps({**event, "chunk_id": None})
    con.execute(
        "create table docs as select 'a' source_file, 1 source_line, doc, doc raw, null::varchar fault, true is_known"
        " from (select ?::varchar as doc)",
        [text],
    )
    judged = judge(con, STUDY, "docs", date(2025, 9, 1), KEY)
    assert judged.drift == [Drift("more", "session_end", "unknown_field", 1)]  # in the payload it still is
    columns = "row_id, id_hash, content_hash, payload, event_ts, user_id, chunk_id"
    known = con.execute(f"select {columns} from {judged.accepted}").fetchall()
    [as_line] = run(STUDY, [event]).accepted
    assert known == [tuple(as_line[name] for name in columns.split(", "))]


def test_what_is_known_of_a_batch_is_not_known_of_its_events() -> None:
    con, line = duckdb.connect(), json.dumps(batch({**batch_event(), "extra": 1}))
    con.execute(
        "create table docs as select 'a' source_file, 1 source_line, doc, doc raw, null::varchar fault, true is_known"
        " from (select ?::varchar as doc)",
        [line],
    )
    drift = judge(con, BATCHES, "docs", date(2025, 9, 1), KEY).drift
    assert [(found.field, found.kind, found.rows) for found in drift] == [("extra", "unknown_field", 1)]


def test_a_uuid_and_an_instant_in_a_payload_are_read_as_in_an_envelope() -> None:
    fields = (Field("ref", "uuid", column="ref"), Field("due", "timestamp", column="due"), Field("n", "int"))
    of = replace(STUDY, event_types=(EventType("review", payload=fields),))
    due = "2025-09-02T00:00:00+02:00"
    good = {"ref": U1.upper(), "due": due, "n": 1}
    verdicts = run(of, [study("review", payload) for payload in (good, {"ref": 5}, {"due": "tomorrow"}, {"ref": None})])
    assert verdicts.details == ["properties.ref: 5", 'properties.due: "tomorrow"']
    first, last = verdicts.accepted
    assert (first["ref"], first["due"]) == (U1, datetime(2025, 9, 1, 22))
    assert json.loads(first["payload"]) == {"ref": U1, "due": due, "n": 1}
    assert (last["ref"], last["due"], last["payload"]) == (None, None, "{}")


def test_fields_without_a_type_are_open() -> None:
    """The contract asked for text where the law names closed lists and privacy classes only: rows were rejected."""
    start = {"device_type": 5, "user_agent": ["x"], "ip_address": 5}
    verdicts = run(STUDY, [study("session_start", start), study("ai_feedback_positive", {"feedback_text": [1.0]})])
    first, second = verdicts.accepted
    assert (first["device_type"], json.loads(first["payload"])) == ("5", {"device_type": 5, "user_agent": ["x"]})
    assert json.loads(second["payload"]) == {"feedback_text": {"hash": keyed_hash(KEY, "[1]"), "length": 3}}
    assert verdicts.judged.drift == [Drift("device_type", "session_start", "unlisted_value", 1)]
    places = {"from_position": "intro", "to_position": 1.5}
    docs = [assessment("PAUSE_BLUR", {"state": True}, source={"a": 1}), assessment("NAVIGATE_JUMP", places)]
    blur, jump = run(ASSESSMENT, docs).accepted
    assert (blur["state"], blur["source"], json.loads(jump["payload"])) == ("true", '{"a":1}', places)


def test_a_decimal_beyond_its_column_is_kept_in_the_payload() -> None:
    row = one(STUDY, study("session_end", {"duration_seconds": 10**12, "active_seconds": -(10**18)}))
    assert isinstance(row, dict)
    largest = Decimal("999999999999.999999")
    assert (row["reported_duration_seconds"], row["reported_active_seconds"]) == (largest, -largest)
    assert json.loads(row["payload"]) == {"duration_seconds": 10**12, "active_seconds": -(10**18)}


def test_a_null_in_the_payload_is_no_name() -> None:
    """A null member kept the envelope's field of its name from joining the payload."""
    row = one(STUDY, study(properties={"app": None}, app="1.2"))
    assert isinstance(row, dict) and row["payload"] == '{"app":"1.2"}'


def test_unknown_fields_are_kept_scrubbed_and_reported() -> None:
    docs = [
        study("session_end", {"note": ["me@example.org", {"me@example.org": 5}], "empty": None}, app="1.2", user_id=U2),
        study("session_end", {"app": 1}, app="2"),
        study("session_end", {}, duration_seconds=5, nothing=None, xp_earned="of the envelope"),
        study("xp_earned", {"xp_amount": 1}, device=1),
        study("nope", {"not": "counted"}),
    ]
    verdicts = run(STUDY, docs)
    assert [json.loads(row["payload"]) for row in verdicts.accepted] == [
        {"note": ["[email]", {"[email]": 5}], "app": "1.2"},
        {"app": 1},
        {},
        {"xp_amount": 1, "device": 1},
    ]
    assert verdicts.judged.drift == [
        Drift("app", "session_end", "unknown_field", 2),
        Drift("duration_seconds", "session_end", "unknown_field", 1),
        Drift("note", "session_end", "unknown_field", 1),
        Drift("xp_earned", "session_end", "unknown_field", 1),
        Drift("device", "xp_earned", "unknown_field", 1),
    ]


def test_closed_lists_are_advice() -> None:
    verdicts = run(
        STUDY,
        [
            study("session_start", {"device_type": "tv"}),
            study("session_start", {"device_type": "web"}),
            study("quiz_start", {"quiz_id": "q", "quiz_type": "exam"}),
        ],
    )
    assert [row["device_type"] for row in verdicts.accepted] == ["tv", "web", None]
    assert verdicts.judged.drift == [
        Drift("quiz_type", "quiz_start", "unlisted_value", 1),
        Drift("device_type", "session_start", "unlisted_value", 1),
    ]
    assert run(ASSESSMENT, [assessment(source="fax")]).judged.drift == [
        Drift("source", "SESSION_CREATED", "unlisted_value", 1)
    ]


# --- identity and content


def hashes(of: Any, *docs: Any) -> int:
    """How many different contents the documents have."""
    verdicts = run(of, list(docs))
    assert not verdicts.rejected, verdicts.details
    return len({row["content_hash"] for row in verdicts.accepted})


def spelled(properties: str, **changes: Any) -> str:
    return json.dumps({**study("question_submit"), **changes}).removesuffix("}") + f', "properties": {properties}}}'


def test_content_is_the_value_not_its_spelling() -> None:
    """The fast path and the exact Python path must give the same text: every line here takes another way."""
    assert (
        hashes(
            STUDY,
            spelled('{"is_correct":true,"time_to_answer_seconds":5,"selected_answer":"A"}'),
            spelled('{"selected_answer":"A","time_to_answer_seconds":5.0,"is_correct":true}'),
            spelled('{"selected_answer":"\\u0041","time_to_answer_seconds":5.00,"is_correct":true}'),
            spelled(
                '{ "selected_answer" : "A", "time_to_answer_seconds":0.5e1, "is_correct" : true, "hint_used":null }'
            ),
            spelled('{"is_correct":true,"time_to_answer_seconds":5,"selected_answer":"A","unknown":null}'),
            spelled('{"is_correct":true,"is_correct":false,"time_to_answer_seconds":5,"selected_answer":"A"}'),
            spelled('{"is_correct":true,"time_to_answer_seconds":5,"selected_answer":"A"}', user_id=U1.upper()),
            spelled(
                '{"is_correct":true,"time_to_answer_seconds":5,"selected_answer":"A"}',
                event_ts="2025-09-01 12:00:00.000000+02:00",
                event_type="question_attempt",
            ),
        )
        == 1
    )


def test_a_payload_that_says_nothing_is_none() -> None:
    """A client that sends {} where it sent null before made a conflict of every event sent again."""
    docs = [study(), {**study(), "properties": None}, study(properties={}), study(properties={"a": None})]
    assert hashes(STUDY, *docs, study(properties={"duration_seconds": None})) == 1


def test_content_differs_where_the_value_does() -> None:
    base = {"is_correct": True, "selected_answer": "A"}
    docs = [
        study("question_submit", base),
        study("question_submit", {**base, "is_correct": False}),
        study("question_submit", {**base, "selected_answer": "B"}),
        study("question_submit", {**base, "selected_answer": ["A"]}),
        study("question_submit", {**base, "selected_answer": None}),
        study("question_submit", {**base, "unknown": 1}),
        study("question_submit", base, unknown=2),
        study("question_submit", base, user_id=U2),
        study("question_submit", base, chunk_id=U2),
        study("question_submit", base, event_ts="2025-09-01T10:00:00.000001Z"),
        study("question_submit", base, client_ts="2025-09-01T10:00:00Z"),
        spelled('{"is_correct":true,"selected_answer":0.1000000000000000055}'),
        spelled('{"is_correct":true,"selected_answer":0.1000000000000000056}'),
        spelled('{"is_correct":true,"selected_answer":12345678901234567890}'),
        spelled('{"is_correct":true,"selected_answer":12345678901234567891}'),
    ]
    assert hashes(STUDY, *docs) == len(docs)


def test_numbers_beyond_the_engine_are_no_crash() -> None:
    deep = "[" * 600 + "]" * 600
    for value in ("1e400", "-1e-400", "9" * 400, "0.{}".format("1" * 400), deep, '{"a":' * 300 + "1" + "}" * 300):
        row = one(STUDY, spelled(f'{{"is_correct":true,"selected_answer":{value},"unknown":{value}}}'))
        assert isinstance(row, dict)


def test_nul_and_odd_characters_are_kept() -> None:
    row = one(STUDY, study("session_pause", {"pause_reason": 'a\x00b\u2028"\\\U0001f600'}))
    assert isinstance(row, dict)
    assert json.loads(row["payload"]) == {"pause_reason": 'a\x00b\u2028"\\\U0001f600'}


def test_both_ways_to_a_stored_payload_give_one_text() -> None:
    """Random payloads of every type: the engine's text is Python's, and no spelling of a row changes anything."""
    chance = random.Random(11)
    texts = ["", "A", "é\u2028", 'q"\\/', "\x00\n\x1f", "null", "1.0", "x" * 70, "a@b.org"]
    numbers = [
        "0",
        "-0",
        "1",
        "5.0",
        "2.50",
        "0.1",
        "1e1",
        "12.345678901234567",
        "100000000000.5",
        "1E-7",
        "99999999999999999999",
    ]
    scalars = [
        *map(json.dumps, texts),
        *numbers,
        "true",
        "false",
        "null",
        f'"{U2.upper()}"',
        "[]",
        '[1.0,{"b":null}]',
        "{}",
    ]

    def spell(members: list[tuple[str, str]], space: str) -> str:
        chance.shuffle(members)
        return "{" + space + ",".join(f'{space}"{name}"{space}:{value}{space}' for name, value in members) + "}"

    docs: list[str] = []
    for _ in range(3000):
        event_type = chance.choice(STUDY.event_types)
        fields = [(field.name, chance.choice(scalars)) for field in event_type.payload if chance.random() < 0.6]
        if chance.random() < 0.1:
            fields.append(("more", chance.choice(scalars)))
        envelope = [(name, json.dumps(value)) for name, value in study(event_type.name).items()]
        for space in ("", " ", "\t"):
            docs.append(spell([*envelope, ("properties", spell(fields, space))], space))
    verdicts = run(STUDY, list(docs))
    assert len(verdicts.accepted) > 300 and len(verdicts.rejected) > 300
    exact = Exact(STUDY, KEY)
    contents: dict[int, set[int]] = {}
    for row in verdicts.accepted:
        assert row["payload"] == exact.stored(docs[row["source_line"] - 1], None, row["event_type"])["payload"]
        contents.setdefault((row["source_line"] - 1) // 3, set()).add(row["content_hash"])
    assert all(len(hashes) == 1 for hashes in contents.values())
    assert len(verdicts.accepted) == 3 * len(contents)


# --- batches


def test_events_of_a_batch() -> None:
    line = batch(
        batch_event(seq=1, client_ts="2025-09-01T09:00:00Z"),
        batch_event(
            seq=2,
            client_ts="2025-09-01T09:00:05.5Z",
            event_type="QUESTION_VIEWED",
            question_id=U2,
            payload={"position": 3},
        ),
        batch_event(seq=3, client_ts="bad"),
    )
    verdicts = run(BATCHES, [line])
    first, second = verdicts.accepted
    assert (first["event_ts"], second["event_ts"]) == (
        datetime(2025, 9, 1, 10, 0, 4, 500000),
        datetime(2025, 9, 1, 10, 0, 10),
    )
    assert (first["batch_index"], second["batch_index"], second["source_line"]) == (0, 1, 1)
    assert (second["user_id"], second["source"], second["seq"], second["position"]) == (U1, "web", 2, 3)
    assert (second["received_at"], second["event_version"]) == (datetime(2025, 9, 1, 10, 0, 10), 1)
    assert second["payload"] == '{"position":3}'
    micros = 1756717205500000
    expected = hashlib.sha256(f'["{U2}",2,"QUESTION_VIEWED",{micros}]'.encode()).hexdigest()
    assert second["row_id"] == second["id"] == "h-" + expected
    assert [(row["batch_index"], row["reason"], row["detail"]) for row in verdicts.rejected] == [
        (2, "invalid_field", 'client_ts: "bad"')
    ]
    assert json.loads(verdicts.rejected[0]["raw"]) == {**line, "events": [line["events"][2]]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (batch(), []),
        ({**batch(), "events": None}, [("missing_field", "events")]),
        ({**batch(), "events": {}}, [("invalid_field", "events: {}")]),
        ({**batch(), "events": "[]"}, [("invalid_field", 'events: "[]"')]),
        ({**batch(user_id=None), "events": 5}, [("missing_field", "user_id")]),
        (None, [("malformed", "torn line")]),
        (batch(batch_event(), batch_event(2), user_id=None), [("missing_field", "user_id")] * 2),
        (batch(batch_event(), received_at=None), [("missing_field", "received_at")]),
        (batch(batch_event(), received_at="x"), [("invalid_field", 'received_at: "x"')]),
        (batch(5), [("malformed", "an event that is no object")]),
        ({**batch(), "events": [None, []]}, [("malformed", "an event that is no object")] * 2),
        (batch(*[batch_event(n) for n in range(51)]), [("batch_too_large", "events: 51")] * 51),
        (batch(*[batch_event(n, event_type="no") for n in range(51)]), [("batch_too_large", "events: 51")] * 51),
        (batch(batch_event(seq=None)), [("missing_field", "seq")]),
        (batch(batch_event(client_ts=None)), [("missing_field", "client_ts")]),
        (batch(batch_event(event_type=None)), [("missing_field", "event_type")]),
        (batch(batch_event(event_type="no"), user_id=None), [("unknown_event_type", 'event_type: "no"')]),
        (batch(batch_event(event_type="ANSWER_SELECTED")), [("missing_field", "question_id")]),
        (batch(batch_event(payload=[])), [("invalid_field", "payload: []")]),
        (batch(batch_event(payload={"x": "y" * 5000})), [("payload_too_large", "payload: 5008 bytes")]),
        (
            batch(batch_event(), received_at="1999-01-01T00:00:00Z"),
            [("timestamp_out_of_range", "event_ts: 1999-01-01T00:00:00Z")],
        ),
    ],
)
def test_batch_verdicts(line: Any, expected: list[tuple[str, str]]) -> None:
    verdicts = run(BATCHES, [line])
    assert [(row["reason"], row["detail"]) for row in verdicts.rejected] == expected
    assert verdicts.judged.rows_read == len(expected)
    assert verdicts.accepted == []


def test_one_bad_event_never_costs_the_others() -> None:
    verdicts = run(BATCHES, [batch(batch_event(1), 5, batch_event(2, session_id="x"), batch_event(3))])
    assert [row["seq"] for row in verdicts.accepted] == [1, 3]
    assert verdicts.judged.rejected_by_reason == {"malformed": 1, "invalid_field": 1}


def test_a_batch_of_fifty_is_whole() -> None:
    assert run(BATCHES, [batch(*[batch_event(n) for n in range(50)])]).judged.rows_accepted == 50


def test_a_batch_sent_again_has_the_same_ids_and_content() -> None:
    first = batch(batch_event(1), batch_event(2, "2025-09-01T09:00:05Z"))
    again = {**first, "received_at": "2025-09-01T10:30:00Z"}
    alone = {**first, "events": first["events"][:1]}
    rows = run(BATCHES, [first, again, alone]).accepted
    assert {(row["row_id"], row["content_hash"]) for row in rows[2:4]} == {
        (row["row_id"], row["content_hash"]) for row in rows[:2]
    }
    assert (rows[4]["row_id"], rows[4]["content_hash"]) == (rows[0]["row_id"], rows[0]["content_hash"])


def test_unknown_fields_of_a_batch_join_each_event() -> None:
    verdicts = run(BATCHES, [batch(batch_event(1, payload={"sdk": 1}), batch_event(2, extra=2), sdk="me@example.org")])
    assert [json.loads(row["payload"]) for row in verdicts.accepted] == [{"sdk": 1}, {"extra": 2, "sdk": "[email]"}]
    assert verdicts.judged.drift == [
        Drift("extra", "SESSION_CREATED", "unknown_field", 1),
        Drift("sdk", "SESSION_CREATED", "unknown_field", 2),
    ]


def test_numbers_in_a_batch_are_as_spelled() -> None:
    text = json.dumps(batch(batch_event(1, payload="@"), batch_event(2, client_ts=None, payload="@"))).replace(
        '"@"', '{"x":1.10}'
    )
    verdicts = run(BATCHES, [text])
    assert verdicts.accepted[0]["payload"] == '{"x":1.1}'
    assert '"payload":{"x":1.10}' in verdicts.rejected[0]["raw"]


@pytest.mark.parametrize("odd", ["", ',"x":1.10'])
def test_what_a_batch_costs_grows_with_its_length(odd: str) -> None:
    """The whole line was parsed, and kept, for every event in it: 30,000 nulls in one line ran out of memory."""
    event = json.dumps(batch_event(event_type="no"))
    head = json.dumps(batch(sdk="1", nothing=None)).removesuffix("}").replace('"events": [], ', "") + odd
    line = f'{head}, "events": [{",".join([event, "null"] * 10_000)}]}}'
    started = time.process_time()
    verdicts = run(BATCHES, [line])
    assert time.process_time() - started < 15
    assert verdicts.judged.rejected_by_reason == {"batch_too_large": 10_000, "malformed": 10_000}
    for row, alone in zip(verdicts.rejected[:2], (event, "null"), strict=True):
        assert json.loads(row["raw"]) == {**json.loads(head + "}"), "events": [json.loads(alone)]}
        assert not odd or '"x":1.10' in row["raw"]


# --- reference streams


def test_reference_rows() -> None:
    sessions = stream("assessment", "test_sessions")
    row = one(sessions, {"session_id": U1.upper(), "user_id": U2, "created_at": "1990-01-01T00:00:00Z"})
    assert isinstance(row, dict)
    assert (row["row_id"], row["session_id"], row["created_at"]) == (U1, U1, datetime(1990, 1, 1))
    assert one(sessions, {"session_id": U1}) == ("missing_field", "user_id")
    questions = stream("assessment", "session_questions")
    row = one(questions, {"session_id": U1, "question_id": U2.upper(), "position": 4})
    assert isinstance(row, dict)
    assert (row["row_id"], row["position"], row["payload"]) == (f"{U1}|{U2}", 4, None)
    assert one(questions, {"session_id": U1, "question_id": U2, "position": "4"}) == ("invalid_field", 'position: "4"')


def test_open_reference_fields_and_drift() -> None:
    topics = stream("study", "topics")
    verdicts = run(topics, [{"topic_id": U1, "name": "Sets", "level": 2}, {"topic_id": U2, "level": [1], "more": 1}])
    assert [(row["name"], row["level"], row["payload"]) for row in verdicts.accepted] == [
        ("Sets", "2", None),
        (None, "[1]", '{"more":1}'),
    ]
    assert verdicts.judged.drift == [Drift("more", None, "unknown_field", 1)]


# --- erasure


def test_rows_of_an_erased_subject_are_counted_and_nothing_else() -> None:
    erased = frozenset({keyed_hash(KEY, U1)})
    docs = [study(), study(user_id=U1.upper()), study("nope"), study(user_id=U2), study("nope", user_id=U2), None]
    verdicts = run(STUDY, docs, erased)
    judged = verdicts.judged
    assert (judged.rows_read, judged.rows_accepted, judged.rows_rejected, judged.rows_erased) == (6, 1, 2, 3)
    assert judged.rejected_by_reason == {"malformed": 1, "unknown_event_type": 1}
    assert run(BATCHES, [batch(batch_event(1), 5)], erased).judged.rows_erased == 2


def test_the_same_connection_judges_again() -> None:
    con = duckdb.connect()
    first, second = run(STUDY, [study()], con=con), run(BATCHES, [batch(batch_event())], con=con)
    assert first.judged.accepted != second.judged.accepted
    assert con.execute(f"SELECT count(*) FROM {first.judged.accepted}").fetchone() == (1,)


# --- what would grow without end


@pytest.mark.found("hostile extracts")
def test_a_batch_that_would_be_kept_many_times_is_malformed_but_for_what_is_needed_of_it() -> None:
    """Each rejected event kept its batch whole: a line of one megabyte with 2,000 events came to two gigabytes."""
    long = batch(*[5] * 1000, more="x" * 100_000)
    verdicts = run(BATCHES, [long, batch(batch_event(1), more="x" * 100_000), batch(*[{}] * 60, more="x" * 4000)])
    assert len(verdicts.accepted) == 1 and len(verdicts.accepted[0]["payload"]) > 100_000
    assert [row["source_line"] for row in verdicts.rejected] == [1] * 1000 + [3] * 60
    first, last = verdicts.rejected[0], verdicts.rejected[-1]
    assert (first["reason"], first["detail"]) == ("malformed", "a batch too long to be kept with each of its events")
    assert json.loads(first["raw"]) == {
        "source": "web",
        "user_id": U1,
        "received_at": long["received_at"],
        "events": [5],
    }
    assert last["reason"] == "batch_too_large" and json.loads(last["raw"])["more"] == "x" * 4000


def test_a_long_value_of_a_long_batch_is_not_kept_with_each_event() -> None:
    verdicts = run(BATCHES, [batch(*[5] * 3000, user_id="x" * 5000, more="x" * 2000)])
    assert {row["reason"] for row in verdicts.rejected} == {"malformed"}
    assert json.loads(verdicts.rejected[0]["raw"]).keys() == {"source", "received_at", "events"}


@pytest.mark.found("hostile extracts")
def test_very_many_unknown_fields_are_reported_as_the_most_frequent_and_a_sum() -> None:
    """The ledger held a row for each name: a line of 16 MB can have a million, and every night read them again."""
    docs = [study(**{f"odd_{n}_{i}": 1 for i in range(400)}, often=1) for n in range(5)]
    drift = run(STUDY, docs).judged.drift
    assert len(drift) == 1001
    assert Drift("often", "session_end", "unknown_field", 5) in drift
    assert drift[-1] == Drift("(others)", None, "unknown_field", 5 * 401 - sum(found.rows for found in drift[:-1]))
    both = most_drift([*drift, *drift])
    assert both[-1].field == "(others)" and sum(found.rows for found in both) == 2 * 5 * 401
    assert len(both) == 1001


def test_rejected_rows_leave_the_accepted_ones_as_they_were() -> None:
    """Of a piece with more rejected than accepted rows the table is made anew, of others the rows are deleted."""
    for bad in (1, 5):
        verdicts = run(STUDY, [study(), study(user_id=U2), *[None] * bad])
        assert [row["user_id"] for row in verdicts.accepted] == [U1, U2]
        assert "_judged" not in verdicts.accepted[0]
        assert (verdicts.judged.rows_read, verdicts.judged.rows_accepted) == (2 + bad, 2)


@pytest.mark.found("hostile extracts")
def test_the_hash_of_a_content_that_python_writes_is_the_same_every_time() -> None:
    """The engine let go of a Python function's text before `coalesce` had copied it: the hash was one of noise.

    Two loads of one row then differed in content, and a duplicate was a conflict.
    """
    number = "9223372036854775807000"
    text = f"[null,{number},null]".encode()
    expected = int.from_bytes(hashlib.md5(text).digest()[8:], "little") - 2**63
    doc = f'{{"question_id": "{U1}", "difficulty": {number}}}'
    for others in (0, 0, 0, 0, 0, 1, 2, 3000):
        [row, *_] = run(stream("study", "questions"), [doc] * (1 + others)).accepted
        assert row["content_hash"] == expected
    sessions = [run(ASSESSMENT, [assessment(source=["api", "of long ago"])]).accepted[0] for _ in range(5)]
    assert len({row["content_hash"] for row in sessions}) == 1


def test_an_unknown_field_that_is_null_is_absent() -> None:
    docs = [{**study(properties={"more": None}), "odd": None}, {**study("search_performed", {"query": "x", "m": None})}]
    verdicts = run(STUDY, docs)
    assert verdicts.judged.drift == []
    assert [sorted(json.loads(row["payload"])) for row in verdicts.accepted] == [[], ["query"]]
