from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.contract import CONTRACTS, ContractError, Field, load_contracts, raw_columns, read_contract

STREAMS = {
    "assessment": ["events", "batches", "test_sessions", "session_questions"],
    "collaboration": ["events"],
    "recommendation": ["events"],
    "study": ["events", "topics", "topic_prerequisites", "questions"],
    "textbook": ["events"],
}
# What a payload holds; all of it is required.
COLLABORATION_TYPES = {
    "DraftCreated": ["draft_id", "creator_id"],
    "DraftViewed": ["draft_id", "user_id"],
    "DraftShared": ["draft_id", "user_id"],
    "SegmentAdded": ["draft_id", "segment_id", "contributor_id"],
    "RINGPassed": ["draft_id", "from_user_id", "to_user_id"],
    "DraftPublished": ["draft_id", "publisher_id"],
}
# What a payload must hold, and what it may.
TEXTBOOK_TYPES = {
    "ai_block_used": (["user_id", "chapter_id", "block_type"], ["section_id", "query"]),
    "chapter_visit": (["user_id", "chapter_id"], []),
    "error_event": (["error_type"], ["error_message", "chapter_id", "section_id"]),
}
SUBJECTS = {"user_id", "child_id", "creator_id", "contributor_id", "from_user_id", "to_user_id", "publisher_id"}
STUDY_TYPES = [
    "session_start",
    "session_end",
    "session_pause",
    "session_resume",
    "material_open",
    "material_read",
    "material_complete",
    "material_highlight",
    "material_note",
    "material_bookmark",
    "question_view",
    "question_submit",
    "quiz_start",
    "quiz_complete",
    "ai_question_asked",
    "ai_response_received",
    "ai_feedback_positive",
    "ai_feedback_negative",
    "ai_hint_requested",
    "ai_explanation_requested",
    "xp_earned",
    "level_up",
    "achievement_unlocked",
    "streak_continued",
    "streak_broken",
    "search_performed",
    "topic_explored",
]
ASSESSMENT_TYPES = [
    "SESSION_CREATED",
    "SESSION_SUBMITTED",
    "SESSION_EXPIRED",
    "REVIEW_OPENED",
    "QUESTION_VIEWED",
    "NAVIGATE_NEXT",
    "NAVIGATE_PREV",
    "NAVIGATE_JUMP",
    "ANSWER_SELECTED",
    "ANSWER_CHANGED",
    "MARK_FOR_REVIEW_TOGGLED",
    "PAUSE_BLUR",
]


def test_every_stream_and_event_type_is_declared() -> None:
    contracts = load_contracts()
    for system, names in STREAMS.items():
        assert [stream.name for stream in contracts[system].streams] == names
    assert [t.name for t in contracts["study"].stream("events").event_types] == STUDY_TYPES
    assert [t.name for t in contracts["assessment"].stream("events").event_types] == ASSESSMENT_TYPES
    assert contracts["assessment"].stream("batches").event_types == contracts["assessment"].stream("events").event_types


def test_everything_is_described() -> None:
    for contract in load_contracts().values():
        assert contract.description and contract.owner and len(contract.sha256) == 64
        for stream in contract.streams:
            described = [stream, *stream.batch, *stream.envelope, *stream.event_types]
            described += [field for event_type in stream.event_types for field in event_type.payload]
            assert all(item.description for item in described)
            assert all(description for _, _, description in raw_columns(stream))


def test_references_and_required_fields_of_study() -> None:
    types = {t.name: t for t in load_contracts()["study"].stream("events").event_types}
    assert types["session_pause"].requires == ("session_id",)
    assert types["material_note"].requires == ("material_id",)
    assert types["question_submit"].requires == ("question_id", "topic_id")
    assert types["question_submit"].aliases == ("question_attempt",)
    required = {(t.name, f.name) for t in types.values() for f in t.payload if f.required}
    assert required == {
        ("material_read", "time_spent_seconds"),
        ("question_submit", "is_correct"),
        ("quiz_start", "quiz_id"),
        ("quiz_complete", "quiz_id"),
        ("xp_earned", "xp_amount"),
        ("level_up", "new_level"),
        ("achievement_unlocked", "achievement_id"),
    }


def test_batches_have_the_columns_of_events_and_the_time_of_receipt() -> None:
    contract = load_contracts()["assessment"]
    events, batches = raw_columns(contract.stream("events")), raw_columns(contract.stream("batches"))
    assert [column[:2] for column in batches] == [*(column[:2] for column in events), ("received_at", "TIMESTAMP")]


def test_people_are_subjects() -> None:
    for contract in load_contracts().values():
        for stream in contract.streams:
            fields = [*stream.batch, *stream.envelope, *(f for t in stream.event_types for f in t.payload)]
            assert all(field.subject == (field.name in SUBJECTS) for field in fields)


def test_event_types_of_recommendation_collaboration_and_textbook() -> None:
    contracts = load_contracts()
    recommendation = contracts["recommendation"].stream("events")
    assert [t.name for t in recommendation.event_types] == ["impression", "tap", "start", "complete", "abandon"]
    assert [f.name for f in recommendation.envelope if f.required] == [
        "event_key",
        "event",
        "child_id",
        "recommendation_id",
        "occurred_at",
    ]
    collaboration = contracts["collaboration"].stream("events")
    assert {t.name: [f.name for f in t.payload] for t in collaboration.event_types} == COLLABORATION_TYPES
    assert all(field.required for t in collaboration.event_types for field in t.payload)
    assert {t.name: t.aliases for t in collaboration.event_types if t.aliases} == {
        "DraftPublished": ("DraftPublishedEvent",)
    }
    textbook = contracts["textbook"].stream("events")
    found = {
        t.name: ([f.name for f in t.payload if f.required], [f.name for f in t.payload if not f.required])
        for t in textbook.event_types
    }
    assert found == TEXTBOOK_TYPES
    assert collaboration.stable_hash and textbook.stable_hash and not recommendation.stable_hash
    for stream in (collaboration, textbook):
        assert [f.name for f in stream.envelope if not f.required] == list(stream.identity)


def test_the_forms_of_a_collapsed_key_are_those_of_the_spec() -> None:
    keys = load_contracts()["recommendation"].stream("events").collapsed_keys
    assert keys is not None
    assert keys.fields == ("child_id", "event", "recommendation_id")
    assert sorted(keys.separators) == sorted(":-_|")
    assert sorted(keys.hashes) == ["md5", "sha1"]


SOUND = """
system: shop
owner: someone
description: A shop.
streams:
  events:
    kind: events
    description: Events.
    identity: [id]
    type: kind
    time: ts
    payload: data
    envelope:
      id: {type: uuid, required: true, description: The id.}
      kind: {type: text, required: true, description: The type.}
      ts: {type: timestamp, required: true, description: The time.}
      data: {type: object, description: The payload.}
    event_types:
      sold:
        description: Something was sold.
        payload:
          amount: {type: int, minimum: 0, column: amount, description: How many.}
"""


COLLAPSED = 'collapsed_keys: {fields: [id, kind], separators: [":"], hashes: [md5]}'


def read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    read_contract(path)


def test_a_sound_contract_is_read(tmp_path: Path) -> None:
    read(tmp_path, SOUND)
    read(tmp_path, SOUND.replace("    time: ts\n", f"    time: ts\n    {COLLAPSED}\n"))
    read(tmp_path, SOUND.replace("    time: ts\n", "    time: ts\n    stable_hash: true\n"))


@pytest.mark.parametrize(
    ("sound", "broken", "message"),
    [
        ("system: shop", "system: other", "system is 'other'"),
        ("    type: kind\n", "    type: kind\n    stable_hash: 1\n", "stable_hash must be true or false"),
        (
            "identity: [id]",
            "identity: [id, kind]\n    stable_hash: true",
            "a stable hash stands for one identity field",
        ),
        ("    time: ts\n", "    stable_hash: true\n", "and needs type and time"),
        ("    time: ts\n", f"    {COLLAPSED}\n", "collapsed keys are of one identity field, need time"),
        ("    time: ts\n", f"    time: ts\n    stable_hash: true\n    {COLLAPSED}\n", "and are no stable hash"),
        ("    time: ts\n", f"    time: ts\n    {COLLAPSED.replace('kind', 'sort')}\n", "'sort' is no field"),
        ("    time: ts\n", f"    time: ts\n    {COLLAPSED.replace('md5', 'md4')}\n", "hashes of md5 and sha1"),
        ("    time: ts\n", f"    time: ts\n    {COLLAPSED.replace('hashes', 'hash')}\n", "unknown key hash"),
        ("owner: someone\n", "", "shop.yaml: owner is missing"),
        ("type: uuid", "type: guid", "streams.events: envelope.id: type must be one of"),
        ("minimum: 0", "minimun: 0", "event_types.sold: payload.amount: unknown key minimun"),
        ("minimum: 0", "minimum: low", "payload.amount: minimum must be a number"),
        ("required: true", "required: 1", "required must be true or false"),
        ("description: How many.", "x: 1", "payload.amount: description is missing"),
        ("identity: [id]", "identity: [nr]", "'nr' is no field of the envelope"),
        ("type: kind", "type: sort", "'sort' is no field of the envelope"),
        ("identity: [id]", "identity: id", "identity must be a list of texts"),
        ("kind: events", "kind: batches", "a batches stream needs like, list and max_events"),
        ("kind: events", "kind: reference", "a reference stream has no event types"),
        ("type: int, minimum: 0, column: amount", "type: object, column: amount", "type object cannot have a column"),
        ("type: int, minimum: 0", "type: text, minimum: 0", "minimum and maximum are for numbers"),
        (
            "type: int, minimum: 0",
            "type: int, values: [a]",
            "values, grain and privacy are for fields of type text or any",
        ),
        ("column: amount", "column: source_line", "column 'source_line' has two types"),
        ("column: amount", "column: id", "column 'id' has two types"),
        ("sold:", "sold: 5\n      x:", "event_types.sold: expected a mapping"),
        ("sold:", "5:", "event_types has the key 5"),
        ("    event_types:", "    like: batches\n    event_types:", "like names 'batches'"),
        ("owner: someone", "owner: someone\nowner: other", "key 'owner' is given twice"),
        ("description: Something was sold.", "description: Sold.\n        aliases: [sold]", "share a name or an alias"),
        ("streams:", "streams: [", "shop.yaml"),
    ],
)
def test_errors_name_the_place(tmp_path: Path, sound: str, broken: str, message: str) -> None:
    assert sound in SOUND
    with pytest.raises(ContractError, match=r"shop\.yaml") as error:
        read(tmp_path, SOUND.replace(sound, broken, 1))
    assert message in str(error.value)


def test_the_contracts_are_the_files() -> None:
    assert list(load_contracts()) == sorted(path.stem for path in CONTRACTS.glob("*.yaml"))


def every_field() -> list[tuple[str, Field]]:
    """Every field of every contract, by the place that events.md gives it: its event type, or its stream."""
    found: list[tuple[str, Field]] = []
    for contract in load_contracts().values():
        for stream in contract.streams:
            found += [(f"{contract.system}/{stream.name}", f) for f in (*stream.batch, *stream.envelope)]
            found += [(t.name, f) for t in stream.event_types for f in t.payload]
    return found


def test_the_privacy_classes_are_those_of_the_spec() -> None:
    """Nothing noticed when a field lost its class: what it holds would have been stored as it came."""
    classes = {(place, f.name): (f.privacy, f.keep) for place, f in every_field() if f.privacy not in ("plain", "id")}
    assert classes == {
        ("session_start", "user_agent"): ("user_agent", "hash"),
        ("session_start", "ip_address"): ("ip", "hash"),
        ("ai_feedback_positive", "feedback_text"): ("free_text", "hash"),
        ("ai_feedback_negative", "feedback_text"): ("free_text", "hash"),
        ("search_performed", "query"): ("free_text", "scrubbed"),
        ("ai_block_used", "query"): ("free_text", "hash"),
        ("error_event", "error_message"): ("free_text", "scrubbed"),
    }


def test_the_closed_lists_are_those_of_the_spec() -> None:
    lists = {(place, f.name): " ".join(f.values) for place, f in every_field() if f.values}
    source, quiz = "web mobile api", "practice mock_exam flashcards"
    assert lists == {
        ("session_start", "device_type"): "web mobile tablet",
        ("quiz_start", "quiz_type"): quiz,
        ("quiz_complete", "quiz_type"): quiz,
        ("ai_hint_requested", "hint_type"): "guided direct",
        ("ai_explanation_requested", "hint_type"): "guided direct",
        ("achievement_unlocked", "achievement_type"): "streak mastery milestone",
        ("search_performed", "search_type"): "semantic keyword",
        ("assessment/events", "source"): source,
        ("assessment/batches", "source"): source,
        ("PAUSE_BLUR", "state"): "blur focus",
        ("ai_block_used", "block_type"): "ask-question explain-like-10 quiz diagram",
    }
