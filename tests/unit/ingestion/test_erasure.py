"""Erasure: a person leaves the lake, the books still balance, and a file loaded later brings nothing back."""

from __future__ import annotations

import json
import stat
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import USERS, Put, Query, event, load_all, ndjson

from ingestion import __main__ as cli
from ingestion import ledger
from ingestion.erasure import erase, erased_subjects, mentions, secret_key
from ingestion.home import Home
from ingestion.load import pending
from ingestion.privacy import keyed_hash

GONE = USERS[1]


def everything_on_disk(folder: Path) -> bytes:
    found = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    for path in folder.rglob("*.parquet"):
        if "_delta_log" not in path.parts:
            found.append(str(duckdb.sql(f"from read_parquet($${path}$$)").fetchall()).encode())
    return b"".join(found)


@pytest.fixture
def loaded(home: Home, put: Put) -> Home:
    put(
        "study/2025-01-02/events.ndjson",
        ndjson(event(1), event(2, 1), f'{{"user_id":"{GONE.upper()}"', "torn", event(3)),
    )
    put("study/2025-01-03/events.ndjson", ndjson(event(4), "torn"))
    put("study/2025-01-04/events.csv", f"event_type,user_id\nunheard,{GONE}\nunheard,{USERS[0]}\n".encode())
    batch = '{"source":"web","user_id":"%s","received_at":"2025-01-02T00:00:00Z","events":[{}, {}]}'
    put("assessment/2025-01-02/batches.ndjson", ndjson(batch % GONE, batch % USERS[0]))
    load_all(home)
    return home


COUNTS = (
    "select system, extract_date, rows_read, rows_valid, rows_rejected, rows_erased from lake.raw.loads order by all"
)


def test_a_person_leaves_the_lake_and_the_books_balance(loaded: Home, query: Query) -> None:
    untouched = "select load_id from lake.raw.loads where extract_date = date '2025-01-03'"
    before = query(untouched)
    assert GONE.encode() in everything_on_disk(loaded.lake).lower()
    loads = erase(loaded, GONE.upper())
    assert query(COUNTS) == [
        ("assessment", date(2025, 1, 2), 4, 0, 2, 2),
        ("study", date(2025, 1, 2), 5, 2, 1, 2),
        ("study", date(2025, 1, 3), 2, 1, 1, 0),
        ("study", date(2025, 1, 4), 2, 0, 1, 1),
    ]
    assert len(loads) == 3
    assert query(untouched) == before
    assert ledger.verify(loaded) == []
    assert GONE.encode() not in everything_on_disk(loaded.lake).lower()
    assert query("select count(*) from lake.raw.study_events") == [(3,)]
    assert pending(loaded) == []


def test_a_file_that_is_loaded_later_brings_nothing_back(loaded: Home, query: Query) -> None:
    erase(loaded, GONE)
    counts = query(COUNTS)
    for path in loaded.landing.rglob("events.*"):
        path.write_bytes(path.read_bytes() + b"\n")
    batches = loaded.landing / "assessment/2025-01-02/batches.ndjson"
    batches.write_bytes(batches.read_bytes() + b"\n")
    assert len(pending(loaded)) == 4
    load_all(loaded)
    assert query(COUNTS) == counts
    assert GONE.encode() not in everything_on_disk(loaded.lake).lower()


def test_erasing_again_changes_nothing(loaded: Home, query: Query) -> None:
    erase(loaded, GONE)
    before = query("from lake.raw.loads order by load_id")
    assert erase(loaded, GONE) == []
    assert query("from lake.raw.loads order by load_id") == before


def test_an_erasure_killed_midway_is_finished_by_another(
    loaded: Home, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    post, posted = ledger.post, []

    def killed(*arguments: object) -> None:
        if posted:
            raise KeyboardInterrupt
        posted.append(post(*arguments))  # type: ignore[arg-type, func-returns-value]

    monkeypatch.setattr(ledger, "post", killed)
    with pytest.raises(KeyboardInterrupt):
        erase(loaded, GONE)
    monkeypatch.undo()
    assert len(erase(loaded, GONE)) == 2
    assert GONE.encode() not in everything_on_disk(loaded.lake).lower()
    assert ledger.verify(loaded) == []


def test_nobody_else_is_touched(loaded: Home, query: Query) -> None:
    assert erase(loaded, "00000000-0000-4000-8000-00000000000") == []
    assert query("select count(*) from lake.raw.study_events") == [(4,)]


def test_who_is_erased_is_kept_as_keyed_hashes_that_only_the_owner_may_read(home: Home) -> None:
    erase(home, "somebody")
    assert erased_subjects(home) == {keyed_hash(secret_key(home), "somebody")}
    erase(home, "another")
    assert len(erased_subjects(home)) == 2
    assert secret_key(home) == secret_key(home)
    assert len(secret_key(home)) == 32
    for path in (home.secret_key, home.lake / "erased_subjects"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not home.secret_key.is_relative_to(home.lake)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"user_id":"u-1"', True),
        ('{"user_id": u-1}', True),
        ('x,u-1,y"', True),
        ('x,"u-1', True),
        ('{\\"user_id\\":\\"u-1\\"', True),
        ('{"event_key":"u-1|tap|r"}', True),
        ('{"event_key":"u-1_tap_r"}', True),
        ('{"event_key":"u-11_tap_r"}', False),
        ('{"user_id":"u-11"}', False),
        ('{"user_id":"xu-1"}', False),
        ('{"user_id":"U-1"}', False),
        ("", False),
        ('{"user_id":"\\u0075-1"}', True),
        ('{"a":[{"u\\u002d1":0}]}', True),
        ('{"a":"for u\\u002d1 only"}', True),
        ('{"a":"u\\u002d11"}', False),
        ('{"a":"{\\"user_id\\":\\"u-1\\"}"}', True),
    ],
)
def test_whether_a_broken_row_mentions_a_person(text: str, found: bool) -> None:
    assert mentions(text, frozenset({keyed_hash(b"key", "u-1")}), b"key") is found


@pytest.mark.parametrize(
    "person", ["kid7", "kid-7", "kid_7", "kid.7", "ki d", "k|7", "8b0e8f5e-5c1f-4c9e-9d65-3a1a2f6d7c01"]
)
@pytest.mark.parametrize("joint", [":", "-", "_", "|"])
def test_a_person_in_a_key_that_was_made_of_ids(person: str, joint: str) -> None:
    """A row without its learner's field was once kept where the key was joined by what the id holds."""
    row = json.dumps({"event_key": joint.join((person, "tap", "r1")), "event": "tap"})
    assert mentions(row, frozenset({keyed_hash(b"key", person)}), b"key")
    assert not mentions(row, frozenset({keyed_hash(b"key", "kid8")}), b"key")


def test_a_person_before_a_full_stop() -> None:
    assert mentions('{"note": "seen by VICTIM_77!"}', frozenset({keyed_hash(b"key", "VICTIM_77")}), b"key")


def test_the_command(loaded: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(loaded.root))
    assert cli.main(["erase", GONE]) == 0
    assert "study/2025-01-02/events: 5 rows read, 2 valid, 1 rejected, 2 erased" in capsys.readouterr().out


NEW_SYSTEMS = ("recommendation", "collaboration", "textbook")


def rows_about(person: str) -> dict[str, list[dict[str, Any] | str]]:
    """Rows of the systems without user_id in the envelope: one in each way in which a row can name a person."""
    at = "2025-01-02T10:00:00Z"
    tap = {"event_key": "k-1", "event": "tap", "child_id": person, "recommendation_id": "r", "occurred_at": at}
    joined = f"{person}|tap|r"
    recommendation: list[dict[str, Any] | str] = [
        tap,
        {**tap, "event_key": joined},
        {**tap, "event_key": "k-2", "event": "unheard"},
        {name: value for name, value in tap.items() if name != "child_id"} | {"event_key": f"{person}_tap_r"},
        json.dumps(tap)[:-3],
    ]
    data: list[tuple[str, dict[str, Any]]] = [
        ("DraftCreated", {"creator_id": person}),
        ("DraftViewed", {"user_id": person}),
        ("DraftShared", {"user_id": person}),
        ("SegmentAdded", {"segment_id": "s", "contributor_id": person}),
        ("RINGPassed", {"from_user_id": person, "to_user_id": "another"}),
        ("RINGPassed", {"from_user_id": "another", "to_user_id": person}),
        ("DraftPublishedEvent", {"publisher_id": person}),
        ("DraftViewed", {"user_id": "another", "creator_id": person}),  # drift, and named all the same
        ("SegmentAdded", {"contributor_id": person}),  # rejected: no segment
        ("unheard", {"user_id": person}),
    ]
    collaboration: list[dict[str, Any] | str] = [
        {"event_type": event_type, "timestamp": at, "data": {"draft_id": "d", **members}}
        for event_type, members in data
    ]
    visit = {"event_type": "chapter_visit", "timestamp": at, "payload": {"user_id": person, "chapter_id": "c"}}
    used = {"user_id": person, "chapter_id": "c", "block_type": "quiz", "query": "why?"}
    textbook: list[dict[str, Any] | str] = [
        visit,
        {**visit, "event_id": "e-1", "event_type": "ai_block_used", "payload": used},
        {**visit, "timestamp": "1970-01-01T00:00:00Z"},
        {**visit, "payload": {**used, "chapter_id": 5}},
        {"event_type": "error_event", "timestamp": at, "payload": {"error_type": "E"}, "user_id": person},
    ]
    return {"recommendation": recommendation, "collaboration": collaboration, "textbook": textbook}


@pytest.mark.parametrize("first", ["load", "erase"])
@pytest.mark.parametrize("spelled", [GONE, GONE.replace("0000", "ABCD"), "kid.7"])
def test_a_person_named_in_a_payload_is_erased(home: Home, put: Put, query: Query, first: str, spelled: str) -> None:
    """The same whichever comes first, accepted rows and rejected ones, and in any case of a UUID."""
    gone, others = rows_about(spelled), rows_about("someone-else")
    for system in NEW_SYSTEMS:
        put(f"{system}/2025-01-02/events.ndjson", ndjson(*gone[system], *others[system]))
    if first == "load":
        load_all(home)
        assert spelled.encode() in everything_on_disk(home.lake)
        erase(home, spelled.lower())
    else:
        erase(home, spelled.lower())
        load_all(home)
    counted = "select system, rows_read, rows_valid, rows_rejected, rows_erased from lake.raw.loads order by 1"
    assert query(counted) == [
        ("collaboration", 20, 8, 2, 10),
        ("recommendation", 10, 2, 3, 5),
        ("textbook", 10, 3, 2, 5),
    ]
    assert spelled.lower().encode() not in everything_on_disk(home.lake).lower()
    assert ledger.verify(home) == []


@pytest.mark.parametrize("first", ["load", "erase"])
def test_an_id_that_is_spelled_with_escapes_is_found(home: Home, put: Put, query: Query, first: str) -> None:
    """A rejected row whose id JSON spelled with an escape stayed in the quarantine when its person was erased later."""
    spelled = f'{{"event_type":"unheard","user_id":"\\u0030{GONE[1:]}"}}'
    put("study/2025-01-02/events.ndjson", ndjson(event(1), spelled, spelled.replace("\\u0030", "\\u0039")))
    if first == "load":
        load_all(home)
        erase(home, GONE)
    else:
        erase(home, GONE)
        load_all(home)
    assert query("select rows_valid, rows_rejected, rows_erased from lake.raw.loads") == [(1, 1, 1)]
    assert query("select count(*) from lake.raw.quarantine where raw like '%u0030%'") == [(0,)]


def test_the_databases_go_too(loaded: Home) -> None:
    """A DuckDB file keeps deleted rows in its free blocks: the erased were still to be read in the published copy."""
    loaded.work.mkdir(exist_ok=True)
    for path in (loaded.warehouse, loaded.marts):
        path.write_bytes(GONE.encode())
    erase(loaded, GONE)
    assert not loaded.warehouse.exists()
    assert not loaded.marts.exists()


@pytest.mark.found("fresh eyes")
def test_without_its_key_nobody_is_erased_and_nobody_comes_back(loaded: Home) -> None:
    """A lost key was made anew in silence: whoever had been erased came back with the next delivery."""
    erase(loaded, GONE)
    key = loaded.secret_key.read_text()
    loaded.secret_key.unlink()
    with pytest.raises(RuntimeError, match=r"secret\.key is missing: without it nobody knows who was erased"):
        load_all(loaded)
    for spoilt in ("", "zz", key[:-2]):
        loaded.secret_key.write_text(spoilt)
        with pytest.raises(RuntimeError, match=r"secret\.key is no key of 64 hexadecimal digits"):
            secret_key(loaded)
    loaded.secret_key.write_text(f"{key}\n")
    assert secret_key(loaded).hex() == key
