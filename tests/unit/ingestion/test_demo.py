"""The demo is what its truth says: byte by byte the same, broken in every way, and fair about what learners know."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import ipaddress
import json
import math
import re
import shutil
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import load_all

from ingestion.contract import load_contracts
from ingestion.demo import DemoSummary, assessment, faults, feeds, generate, recommendation, remove, study
from ingestion.demo.__main__ import main
from ingestion.demo.generate import SYSTEMS
from ingestion.demo.ids import uuid_list
from ingestion.demo.learning import WRONG_COUNTS, answer, sigmoid
from ingestion.home import Home
from ingestion.lake import attach_lake

LEARNERS, DAYS, SEED = 40, 21, 7
OBJECTS = ("properties", "payload_json", "metadata", "data", "payload")


@dataclass(frozen=True)
class Row:
    """A row as a plain reader sees it; `doc` is None where it is no JSON object or no record."""

    date: dt.date
    file: str
    doc: dict[str, Any] | None


@dataclass(frozen=True)
class Demo:
    home: Home
    summary: DemoSummary
    truth: dict[str, Any]

    def rows(self, system: str, stream: str) -> list[Row]:
        """All rows of a stream by (date, file name, line)."""
        rows = []
        for folder in sorted((self.home.landing / system).iterdir()):
            for file in sorted(folder.iterdir()):
                if re.fullmatch(rf"{stream}(-[^.]+)?\..+", file.name):
                    date = dt.date.fromisoformat(folder.name)
                    rows += [Row(date, file.name, doc) for doc in read(file)]
        return rows


def read(file: Path) -> list[dict[str, Any] | None]:
    if file.suffix == ".parquet":
        docs: list[dict[str, Any] | None] = [record_of(row) for row in pq.read_table(file).to_pylist()]
        return docs
    content = file.read_bytes()
    if file.suffix == ".gz":
        content = gzip.decompress(content)
    if file.suffix == ".zst":
        content = pa.input_stream(file, compression="zstd").read()
    text = content.decode()
    assert not text or text.endswith("\n")
    if ".csv" in file.name:
        records = list(csv.reader(text.splitlines()))
        header = records[0]
        return [
            record_of(dict(zip(header, record, strict=True))) if len(record) == len(header) else None
            for record in records[1:]
        ]
    return [object_of(line) for line in text.split("\n")[:-1]]


def record_of(cells: dict[str, Any]) -> dict[str, Any]:
    """Cells as a document: empty ones away, JSON in text unpacked."""
    doc = {name: value for name, value in cells.items() if value not in ("", None)}
    return {name: json.loads(value) if name in OBJECTS else value for name, value in doc.items()}


def object_of(line: str) -> dict[str, Any] | None:
    def refuse(_: str) -> float:
        raise ValueError

    try:
        doc = json.loads(line, parse_constant=refuse)
        json.dumps(doc, ensure_ascii=False).encode()  # fails at half a character
    except ValueError:
        return None
    return doc if isinstance(doc, dict) else None


def moment(text: object) -> dt.datetime:
    if isinstance(text, dt.datetime):
        return text.replace(tzinfo=dt.UTC)
    return dt.datetime.fromisoformat(str(text))


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    home = Home(tmp_path_factory.mktemp("demo"))
    summary = generate(home, LEARNERS, DAYS, SEED)
    return Demo(home, summary, json.loads((home.root / "demo_truth.json").read_text()))


@pytest.fixture(scope="module")
def study_rows(demo: Demo) -> list[Row]:
    return demo.rows("study", "events")


@pytest.fixture(scope="module")
def good_study_docs(study_rows: list[Row]) -> list[dict[str, Any]]:
    """First copies of the rows that no fault was put into: those have ids of their own."""
    broken = set(uuid_list(SEED, "broken study events", 10_000))
    docs: dict[str, dict[str, Any]] = {}
    for row in study_rows:
        event_id = row.doc.get("event_id") if row.doc else None
        if row.doc and event_id and event_id not in broken and event_id != "e-10294":
            docs.setdefault(event_id.lower(), row.doc)
    return list(docs.values())


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def test_same_arguments_same_bytes(demo: Demo, tmp_path: Path) -> None:
    generate(Home(tmp_path), LEARNERS, DAYS, SEED)
    again = contents(tmp_path)
    first = contents(demo.home.root)
    assert list(again) == list(first)
    assert [name for name in first if first[name] != again[name]] == []


def test_another_seed_other_learners(demo: Demo, tmp_path: Path) -> None:
    generate(Home(tmp_path), 2, 2, SEED + 1)
    mine, other = (
        pq.read_table(root / "demo_truth.parquet")["user_id"].to_pylist() for root in (demo.home.root, tmp_path)
    )
    assert not set(mine) & set(other)


@pytest.mark.parametrize(("learners", "days"), [(1, 1), (1, 3), (3, 1)])
def test_the_smallest_demos_are_whole(tmp_path: Path, learners: int, days: int) -> None:
    """A date without rows still has its files: an empty extract is an extract."""
    generate(Home(tmp_path), learners, days)
    for system, streams in {
        "study": ["events"],
        "assessment": ["events", "batches", "test_sessions", "session_questions"],
        "recommendation": ["events"],
        "collaboration": ["events"],
        "textbook": ["events"],
    }.items():
        folders = list((tmp_path / "landing" / system).iterdir())
        assert len(folders) == days
        for folder in folders:
            names = {re.split(r"[-.]", file.name)[0] for file in folder.iterdir()}
            assert set(streams) <= names
            for file in folder.iterdir():
                if file.name != "manifest.json":
                    read(file)


def test_every_row_is_accounted_for(demo: Demo) -> None:
    """The truth's rows are the files' rows, and its parts add up."""
    delivered: Counter[tuple[str, str, str]] = Counter()
    for extract in demo.truth["extracts"]:
        parts = extract["accepted"] + extract["duplicates"] + extract["conflicts"] + sum(extract["rejected"].values())
        assert extract["rows"] == parts
        assert 0 <= extract["late"] <= extract["accepted"]
        assert 0 <= extract["held"] <= extract["accepted"]
        delivered[extract["system"], extract["stream"], extract["extract_date"]] += extract["rows"]
    found: Counter[tuple[str, str, str]] = Counter()
    for system, stream in {(system, stream) for system, stream, _ in delivered}:
        for row in demo.rows(system, stream):
            events = row.doc.get("events") if row.doc and stream == "batches" else None
            found[system, stream, str(row.date)] += len(events) if isinstance(events, list) else 1
    assert found == +delivered
    assert demo.summary.rows == sum(delivered.values())


def test_manifests_are_right(demo: Demo) -> None:
    manifests = list(demo.home.landing.rglob("manifest.json"))
    assert len(manifests) == 5 * math.ceil(DAYS / 3)
    for manifest in manifests:
        entries = {entry["name"]: entry for entry in json.loads(manifest.read_text())["files"]}
        assert set(entries) == {file.name for file in manifest.parent.iterdir()} - {"manifest.json"}
        for name, entry in entries.items():
            assert entry["sha256"] == hashlib.sha256((manifest.parent / name).read_bytes()).hexdigest()
            if not name.startswith("batches"):
                assert entry["rows"] == len(read(manifest.parent / name))


def test_files_come_in_every_format(demo: Demo) -> None:
    names = {file.name.partition(".")[2] for file in demo.home.landing.rglob("*.*")} - {"json"}
    assert names == {"ndjson", "ndjson.gz", "ndjson.zst", "csv", "csv.gz", "parquet"}
    plain = [file for file in demo.home.landing.rglob("events*.ndjson*") if "resent" not in file.name]
    assert len(plain) > 0.5 * len(list(demo.home.landing.rglob("events*")))


def test_large_days_come_in_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rows, cut at the ends of lines, also where a line holds many rows."""
    demos = []
    for name, rows_per_file in (("whole", feeds.ROWS_PER_FILE), ("split", 20)):
        monkeypatch.setattr(feeds, "ROWS_PER_FILE", rows_per_file)
        home = Home(tmp_path / name)
        demos.append(Demo(home, generate(home, 8, 5, SEED), {}))
    assert any(file.name.startswith("batches-02.") for file in tmp_path.rglob("batches*"))
    streams = [(system, "events") for system in SYSTEMS] + [("assessment", "batches")]
    for system, stream in streams:
        whole, split = (
            Counter((row.date, json.dumps(row.doc, default=str)) for row in demo.rows(system, stream)) for demo in demos
        )
        assert whole == split


def test_every_event_type_of_the_contracts_comes(demo: Demo, good_study_docs: list[dict[str, Any]]) -> None:
    contracts = load_contracts()
    kinds = Counter(doc["event_type"] for doc in good_study_docs)
    stream = next(stream for stream in contracts["study"].streams if stream.name == "events")
    assert {kind.name for kind in stream.event_types} <= set(kinds)
    assert kinds["question_attempt"] > 0
    tests = Counter(row.doc.get("event_type") for row in demo.rows("assessment", "events") if row.doc)
    sent = Counter(
        event["event_type"]
        for row in demo.rows("assessment", "batches")
        if row.doc and isinstance(row.doc.get("events"), list)
        for event in row.doc["events"]
    )
    assert set(assessment.EVENT_TYPES) <= set(tests)
    assert set(assessment.EVENT_TYPES[assessment.SERVER_KINDS :]) <= set(sent)
    assert set(study.EVENT_TYPES) == {kind.name for kind in stream.event_types}
    for system, place in PLACES.items():
        declared = {kind.name for kind in contracts[system].stream("events").event_types}
        came = Counter(row.doc[place.type] for row in demo.rows(system, "events") if row.doc and place.type in row.doc)
        assert declared <= set(came)
        assert system != "collaboration" or came["DraftPublishedEvent"] > 0


def test_every_fault_comes(demo: Demo) -> None:
    wanted = {
        ("study", "events"): faults.STUDY_FAULTS,
        ("assessment", "events"): faults.assessment_event_faults(SEED),
        ("assessment", "batches"): faults.batch_faults(SEED),
        ("assessment", "test_sessions"): faults.TEST_SESSION_FAULTS,
        ("assessment", "session_questions"): faults.SESSION_QUESTION_FAULTS,
        ("recommendation", "events"): faults.RECOMMENDATION_FAULTS,
        ("collaboration", "events"): faults.COLLABORATION_FAULTS,
        ("textbook", "events"): faults.TEXTBOOK_FAULTS,
    }
    for (system, stream), all_faults in wanted.items():
        names = [fault.name for fault in all_faults]
        assert len(names) == len(set(names))
        came = {e["fault"] for e in demo.truth["faults"] if (e["system"], e["stream"]) == (system, stream)}
        assert came == set(names)


def test_every_reason_to_reject_comes(demo: Demo) -> None:
    reasons = defaultdict(Counter[str])
    for extract in demo.truth["extracts"]:
        reasons[extract["system"]].update(extract["rejected"])
    at_load = {
        "malformed",
        "unknown_event_type",
        "missing_field",
        "invalid_field",
        "payload_too_large",
        "timestamp_out_of_range",
    }
    for system in ("study", *PLACES):
        assert set(reasons[system]) == at_load
    later = {"unknown_session", "session_not_owned", "question_not_in_session"}
    assert set(reasons["assessment"]) == at_load | later | {"batch_too_large"}
    assert all(sum(extract[key] for extract in demo.truth["extracts"]) for key in ("conflicts", "held", "late"))


def test_shares_are_small(study_rows: list[Row], demo: Demo) -> None:
    extracts = [e for e in demo.truth["extracts"] if (e["system"], e["stream"]) == ("study", "events")]
    rows = len(study_rows)
    assert 0.002 < sum(sum(extract["rejected"].values()) for extract in extracts) / rows < 0.006
    assert 0.005 < sum(extract["duplicates"] for extract in extracts) / rows < 0.015
    assert 0.005 < sum(extract["late"] for extract in extracts) / rows < 0.06


def test_copies_are_what_the_truth_says(study_rows: list[Row], demo: Demo) -> None:
    """Counted from the files, by (date, file, line): the same id and content again, or another content."""
    first: dict[str, tuple[Any, ...]] = {}
    duplicates: Counter[str] = Counter()
    conflicts: Counter[str] = Counter()
    for row in study_rows:
        if row.doc is None or not isinstance(row.doc.get("event_id"), str) or row.doc["event_id"] == "e-10294":
            continue
        event_id = row.doc["event_id"].lower()
        content = (str(row.doc.get("event_type")), json.dumps(row.doc.get("properties"), sort_keys=True))
        if event_id not in first:
            first[event_id] = content
        elif content == first[event_id]:
            duplicates[str(row.date)] += 1
        else:
            conflicts[str(row.date)] += 1
    extracts = [e for e in demo.truth["extracts"] if (e["system"], e["stream"]) == ("study", "events")]
    assert duplicates == +Counter({e["extract_date"]: e["duplicates"] for e in extracts})
    assert conflicts == +Counter({e["extract_date"]: e["conflicts"] for e in extracts})


@dataclass(frozen=True)
class Place:
    """Where a system without sessions says what."""

    id: str
    type: str
    time: str
    broken_ids: tuple[object, ...] = ()  # ids that are no ids


PLACES = {
    "recommendation": Place("event_key", "event", "occurred_at", (None,)),
    "collaboration": Place("idempotency_key", "event_type", "timestamp", ("", "kim.learner@example.com")),
    "textbook": Place("event_id", "event_type", "timestamp", (10294,)),
}


def old_keys(doc: dict[str, Any]) -> list[str]:
    """The forms that the contract lists of a key made of child, event and recommendation."""
    joined = [s.join((doc["child_id"], doc["event"], doc["recommendation_id"])) for s in ":-_|"]
    return joined + [make(text.encode()).hexdigest() for make in (hashlib.md5, hashlib.sha1) for text in joined]


def good_rows(demo: Demo, system: str) -> list[Row]:
    """The rows that no fault was put into: a broken one has an id of its own, or one that is none."""
    place = PLACES[system]
    broken = {*uuid_list(SEED, f"broken {system} events", 10_000), *place.broken_ids}
    return [row for row in demo.rows(system, "events") if row.doc and row.doc.get(place.id) not in broken]


@pytest.mark.parametrize("system", PLACES)
def test_copies_and_late_rows_of_the_small_systems(demo: Demo, system: str) -> None:
    """Counted from the files: an old key counts with its time, and a row without an id by its content."""
    place = PLACES[system]
    first: dict[object, str] = {}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in good_rows(demo, system):
        assert row.doc is not None
        at = moment(row.doc[place.time])
        said = {name: str(value) if name == "event_order" else value for name, value in row.doc.items()}
        content = json.dumps({**said, place.time: str(at), place.id: None}, sort_keys=True)
        key = row.doc.get(place.id)
        is_old = system == "recommendation" and key in old_keys(row.doc)
        identity = (key, at) if is_old else key or content
        if identity not in first:
            first[identity] = content
            days = (row.date - at.date()).days
            assert 0 <= days <= 9
            verdict = "late" if days else "in time"
        else:
            verdict = "duplicates" if content == first[identity] else "conflicts"
        counts[verdict][str(row.date)] += 1
    extracts = [e for e in demo.truth["extracts"] if e["system"] == system]
    for verdict in ("duplicates", "conflicts", "late"):
        assert counts[verdict].total() > 0
        assert counts[verdict] == +Counter({e["extract_date"]: e[verdict] for e in extracts}), verdict


def test_the_books_say_what_the_lake_finds(demo: Demo, tmp_path: Path) -> None:
    """The small systems, loaded: every row ends where the truth says."""
    home = Home(tmp_path)
    for system in PLACES:
        shutil.copytree(demo.home.landing / system, home.landing / system)
    loads = {(load.system, str(load.extract_date)): load for load in load_all(home)}
    truth = {(e["system"], e["extract_date"]): e for e in demo.truth["extracts"] if e["system"] in PLACES}
    assert {key: (load.rows_read, load.rejected) for key, load in loads.items()} == {
        key: (extract["rows"], extract["rejected"]) for key, extract in truth.items()
    }
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with duckdb.connect() as con:
        attach_lake(con, home)
        for system in PLACES:
            rows = con.execute(
                f"""select extract_date::varchar, row_id, content_hash from lake.raw.{system}_events
                order by extract_date, source_file, source_line"""
            ).fetchall()
            contents: dict[str, int] = {}
            for day, row_id, content in rows:
                is_copy = row_id in contents
                is_same = contents.setdefault(row_id, content) == content
                found[system, day]["accepted" if not is_copy else "duplicates" if is_same else "conflicts"] += 1
    for key, extract in truth.items():
        assert found[key] == +Counter({name: extract[name] for name in ("accepted", "duplicates", "conflicts")}), key


def test_old_keys_of_every_form_come_in_the_first_days(demo: Demo) -> None:
    forms: Counter[int] = Counter()
    times: dict[str, set[dt.datetime]] = defaultdict(set)
    for row in good_rows(demo, "recommendation"):
        assert row.doc is not None
        at, key = moment(row.doc["occurred_at"]), row.doc["event_key"]
        keys = old_keys(row.doc)
        assert (key in keys) == ((at.date() - demo.summary.first_date).days < recommendation.OLD_KEY_DAYS)
        if key in keys:
            forms[keys.index(key)] += 1
            times[key].add(at)
    assert set(forms) == set(range(12))
    assert any(len(at) > 1 for at in times.values())
    # the producer overwrote its rows: of one day an extract caught the last
    assert all(len(at) == len({one.date() for one in at}) for at in times.values())


def test_life_on_home_screens_drafts_and_in_the_textbook(demo: Demo) -> None:
    learners = set(pq.read_table(demo.home.root / "demo_truth.parquet")["user_id"].to_pylist())
    taps: Counter[tuple[str, str, dt.date]] = Counter()
    orders = []
    for row in good_rows(demo, "recommendation"):
        assert row.doc is not None and row.doc["child_id"] in learners
        at = moment(row.doc["occurred_at"])
        if row.doc["event"] == "tap":
            taps[row.doc["child_id"], row.doc["recommendation_id"], at.date()] += 1
        if "event_order" in row.doc:
            orders.append((int(row.doc["event_order"]), at))
    assert max(taps.values()) > 1
    assert [at for _, at in sorted(orders)] == sorted(at for _, at in orders)
    drafts = defaultdict(set)
    people = set()
    keyless = 0
    collaboration_rows = good_rows(demo, "collaboration")
    for row in collaboration_rows:
        assert row.doc is not None
        data = row.doc["data"]
        drafts[data["draft_id"]].add(row.doc["event_type"])
        people |= {data[role] for role in data if role.endswith(("user_id", "or_id", "er_id"))}
        keyless += "idempotency_key" not in row.doc
    assert people <= learners
    assert all("DraftCreated" in types for types in drafts.values())
    assert sum("RINGPassed" in types for types in drafts.values()) > len(drafts) / 2
    assert 0.3 < keyless / len(collaboration_rows) < 0.6
    textbook_rows = good_rows(demo, "textbook")
    payloads = [row.doc["payload"] for row in textbook_rows if row.doc]
    assert {payload["user_id"] for payload in payloads if "user_id" in payload} <= learners
    assert sum("query" in payload for payload in payloads) > len(payloads) / 4
    assert 0.25 < sum("event_id" not in row.doc for row in textbook_rows if row.doc) / len(payloads) < 0.55


def test_late_rows_are_one_to_nine_days_late(study_rows: list[Row], demo: Demo) -> None:
    broken = set(uuid_list(SEED, "broken study events", 10_000))
    seen: set[str] = set()
    late: Counter[str] = Counter()
    for row in study_rows:
        event_id = row.doc.get("event_id", "e-10294") if row.doc else "e-10294"
        if event_id == "e-10294" or event_id in broken or event_id.lower() in seen or row.doc is None:
            continue
        seen.add(event_id.lower())
        days = (row.date - moment(row.doc["event_ts"]).date()).days
        assert 0 <= days <= 9
        late[str(row.date)] += days > 0
    extracts = [e for e in demo.truth["extracts"] if (e["system"], e["stream"]) == ("study", "events")]
    assert +late == +Counter({e["extract_date"]: e["late"] for e in extracts})


def test_sessions_are_as_untidy_as_real_ones(good_study_docs: list[dict[str, Any]]) -> None:
    sessions = defaultdict(list)
    for doc in good_study_docs:
        if doc.get("session_id"):
            sessions[doc["session_id"].lower()].append((moment(doc["event_ts"]), doc["event_type"]))
    kinds = [{kind for _, kind in events} for events in sessions.values()]
    assert 0.05 < sum("session_end" not in kind for kind in kinds) / len(kinds) < 0.3
    assert all("session_start" in kind for kind in kinds)
    assert any("session_pause" in kind for kind in kinds)
    assert any(min(events)[0].date() < max(events)[0].date() for events in sessions.values())
    alone = Counter(doc["event_type"] for doc in good_study_docs if not doc.get("session_id"))
    assert alone["question_submit"] and alone["streak_continued"]
    assert not any(kind.startswith("session_") for kind in alone)


def test_habits_differ_by_weekday(good_study_docs: list[dict[str, Any]]) -> None:
    days = Counter(moment(doc["event_ts"]).weekday() for doc in good_study_docs)
    assert sum(days[day] for day in range(4)) / 4 > 1.2 * (days[4] + days[5]) / 2


def test_answers_follow_the_truth(demo: Demo, good_study_docs: list[dict[str, Any]]) -> None:
    """What the files say of each learner at each topic is what the truth counted, and what it expected."""
    attempts: Counter[tuple[str, str]] = Counter()
    correct: Counter[tuple[str, str]] = Counter()
    for doc in good_study_docs:
        if doc["event_type"] in ("question_submit", "question_attempt"):
            attempts[doc["user_id"], doc["topic_id"]] += 1
            correct[doc["user_id"], doc["topic_id"]] += doc["properties"]["is_correct"]
    truth = pq.read_table(demo.home.root / "demo_truth.parquet").to_pylist()
    assert attempts == +Counter({(row["user_id"], row["topic_id"]): row["attempts"] for row in truth})
    assert +correct == +Counter({(row["user_id"], row["topic_id"]): row["correct"] for row in truth})
    assert demo.truth["attempts"] == attempts.total()
    expected = sum(row["expected_correct"] for row in truth)
    assert abs(correct.total() - expected) < 4 * math.sqrt(attempts.total()) / 2
    # Weak and strong pairs apart, so that no constant would do.
    practised = [row for row in truth if row["attempts"] >= 10]
    share = np.array([row["correct"] / row["attempts"] for row in practised])
    chance = np.array([row["expected_correct"] / row["attempts"] for row in practised])
    assert np.corrcoef(share, chance)[0, 1] > 0.7
    assert chance.min() < 0.5 < 0.9 < chance.max()


def test_truth_at_the_end_is_the_model(demo: Demo) -> None:
    for row in pq.read_table(demo.home.root / "demo_truth.parquet").to_pylist():
        ability = row["initial_ability"] + row["gain"] * math.log1p(row["practice_at_end"])
        assert row["ability_at_end"] == pytest.approx(ability)
        assert row["probability_at_end"] == pytest.approx(1 / (1 + math.exp(row["topic_difficulty"] - ability)))
        assert (row["days_since_practice"] is None) == (row["attempts"] == 0)
        assert row["practice_at_end"] <= row["attempts"]
        assert 0 <= row["expected_correct"] <= row["attempts"]


def test_answers_one_by_one_are_the_same() -> None:
    """The vectorized play against a plain loop, attempt by attempt."""
    rng = np.random.default_rng(3)
    groups, size, day = 7, 300, 86_400_000_000
    group, at = rng.integers(0, groups, size), rng.integers(0, 40 * day, size)
    logit, luck = rng.normal(0, 1, size), rng.random(size)
    gain, forgetting = rng.uniform(0.1, 1, groups), rng.uniform(0.01, 0.2, groups)
    played = answer(group, at, logit, gain, forgetting, luck)
    practice, last = [0.0] * groups, [0] * groups
    for i in np.argsort(at):
        who = group[i]
        left = practice[who] * math.exp(-forgetting[who] * (at[i] - last[who]) / day)
        probability = float(sigmoid(np.array(logit[i] + gain[who] * math.log1p(left))))
        assert played.probability[i] == pytest.approx(probability)
        assert played.is_correct[i] == (luck[i] < probability)
        practice[who] = left + (1 if luck[i] < probability else WRONG_COUNTS)
        last[who] = int(at[i])
    assert played.practice == pytest.approx(practice)
    assert played.last_at.tolist() == last


def test_nobody_is_real(study_rows: list[Row]) -> None:
    """Addresses of the documentation ranges, mail at example domains."""
    ranges = [
        ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    addresses, mails = set(), set()
    for row in study_rows:
        mails.update(re.findall(r"[\w.]+@[\w.]*\w", json.dumps(row.doc, default=str)))
        properties = row.doc.get("properties") if row.doc else None
        if isinstance(properties, dict) and "ip_address" in properties:
            addresses.add(ipaddress.ip_address(properties["ip_address"]))
    assert {address.version for address in addresses} == {4, 6}
    assert all(any(address in net for net in ranges) for address in addresses)
    assert mails and all(mail.endswith(("@example.com", "@example.org")) for mail in mails)


def test_tests_belong_to_whom_the_reference_says(demo: Demo) -> None:
    """What is wrong between streams is what the truth says: counted from the files, all of them there."""
    owners = {
        row.doc["session_id"]: row.doc.get("user_id") for row in demo.rows("assessment", "test_sessions") if row.doc
    }
    held = set()
    for row in demo.rows("assessment", "session_questions"):
        if row.doc and "question_id" in row.doc and row.doc["position"] != "third":
            held.add((row.doc["session_id"], row.doc["question_id"]))
    broken: Counter[str] = Counter()
    for row in demo.rows("assessment", "events"):
        doc = row.doc
        if doc is None or not (doc.get("session_id") and doc.get("user_id")):
            continue
        if doc["session_id"] not in owners:
            broken["unknown_session"] += 1
        elif doc["user_id"] != owners[doc["session_id"]]:
            broken["session_not_owned"] += 1
        elif "question_id" in doc and (doc["session_id"], doc["question_id"]) not in held:
            broken["question_not_in_session"] += 1
    truth: Counter[str] = Counter()
    for extract in demo.truth["extracts"]:
        if (extract["system"], extract["stream"]) == ("assessment", "events"):
            truth.update({reason: n for reason, n in extract["rejected"].items() if "session" in reason})
    assert broken == truth


def test_a_landing_in_use_is_left_alone(demo: Demo, tmp_path: Path) -> None:
    home = Home(tmp_path)
    own = home.landing / "study" / "2026-01-05" / "events.ndjson"
    own.parent.mkdir(parents=True)
    own.write_text("{}\n")
    with pytest.raises(FileExistsError, match="holds extracts already"):
        generate(home, 2, 2, clean=True)
    assert own.read_text() == "{}\n"
    assert not (home.landing / "assessment").exists()


def test_clean_removes_the_demo_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    generate(home, 3, 4)
    with pytest.raises(FileExistsError):
        generate(home, 3, 4)
    generate(home, 3, 2, clean=True)
    assert len(list((home.landing / "study").iterdir())) == 2
    other = home.landing / "elsewhere" / "2026-01-05" / "events.ndjson"
    other.parent.mkdir(parents=True)
    other.write_text("")
    remove(home)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [other]


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--home", str(tmp_path), "--learners", "3", "--start", "2026-03-01", "--end", "2026-03-03"]
    assert main(arguments) == 0
    assert "2026-03-01 to 2026-03-03" in capsys.readouterr().out
    assert sorted(folder.name for folder in (tmp_path / "landing" / "study").iterdir()) == [
        "2026-03-01",
        "2026-03-02",
        "2026-03-03",
    ]
    assert main(arguments) == 1
    assert "--clean" in capsys.readouterr().err
    assert main([*arguments, "--clean"]) == 0
