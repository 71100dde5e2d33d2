"""Hostile extracts: no crash, no row unaccounted for, bounded memory, nothing read or written outside of the home."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion import ledger
from ingestion.contract import Field, load_contracts
from ingestion.home import Home
from ingestion.validation import judge
from tests.hostile import account
from tests.hostile.bombs import ASSESSMENT, BOMBS, STUDY, Bomb
from tests.hostile.extracts import Maker, dump
from tests.hostile.run import load_in_child, run_hostile

# Longer runs: run_hostile for many seeds.
SEEDS = (7, 11)
DAY = date(2025, 9, 1)

# The process alone takes 120 MiB, and 300 MiB with a folder of small hostile files. The most that a bomb took was
# 1,031 MiB (150 rows of a megabyte, kept whole), on a machine of two cores.
MOST_MEMORY = 1536 * 1024**2
MOST_SECONDS = 120


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not stay: bombs are small, what is kept of them is not always."""
    yield tmp_path / "hostile"
    shutil.rmtree(tmp_path / "hostile", ignore_errors=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_hostile_folders(folder: Path, seed: int) -> None:
    outcome = run_hostile(seed, folder)
    assert outcome.faults == []
    assert outcome.rows > 20 and outcome.judged > 20
    assert outcome.peak_bytes < MOST_MEMORY


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.__name__)
def test_bombs(folder: Path, bomb: Bomb) -> None:
    home = Home(folder)
    for place in (STUDY, ASSESSMENT):
        (home.landing / place).mkdir(parents=True)
    bomb(home.landing)
    told = load_in_child(home, timeout=MOST_SECONDS)
    assert told["peak_bytes"] < MOST_MEMORY
    assert ledger.verify(home) == []
    becomes = BOMBS[bomb]
    if isinstance(becomes, str):
        [[*_, message]] = told["failures"]
        assert becomes in message and len(message) < 300
        assert not told["loads"]
    else:
        assert told["failures"] == []
        [load] = ledger.active_loads(home).values()
        assert (load.rows_read, load.rows_accepted) == becomes
    written = sum(path.stat().st_size for path in home.lake.rglob("*") if path.is_file())
    assert written < 5 * 1024**2


@pytest.mark.parametrize(("system", "stream"), sorted(account.SPECS))
def test_a_row_is_judged_alike_alone_and_among_others(system: str, stream: str) -> None:
    """The engine works on many rows at a time: what it makes of one must not follow from the others."""
    maker = Maker(random.Random(5), system, stream, DAY)
    docs = [dump(maker.document(), maker.rng) for _ in range(10)]
    con, of = duckdb.connect(), load_contracts()[system].stream(stream)

    def judged(chosen: list[str]) -> list[tuple[Any, ...]]:
        lines = pa.table({"doc": chosen, "raw": chosen, "fault": pa.nulls(len(chosen), pa.string())})
        con.register("lines", lines)
        docs = "(select 'a' as source_file, 1::bigint as source_line, *, false as is_known from lines)"
        found = judge(con, of, docs, DAY, b"key")
        return [row for table in (found.accepted, found.rejected) for row in con.execute(f"from {table}").fetchall()]

    alone = [row for doc in docs for row in judged([doc])]
    assert sorted(alone, key=repr) == sorted(judged(docs), key=repr)


# --- the account itself: an account that sees nothing finds nothing


KINDS = {"uuids": "uuid_list", "num": "decimal", "ts": "timestamp", "numtext": "number_or_text"}


def declared(text: str) -> list[tuple[object, ...]]:
    return [(f.name, KINDS.get(f.kind, f.kind), f.required, f.low, f.high) for f in account.fields(text)]


def contracted(found: tuple[Field, ...]) -> list[tuple[object, ...]]:
    return [(f.name, f.type, f.required, f.minimum, f.maximum) for f in found]


def test_the_contracts_are_those_of_the_account() -> None:
    """A limit that was changed in a contract was noticed only where an example stood at it."""
    streams = [stream for contract in load_contracts().values() for stream in contract.streams]
    assert {(stream.system, stream.name) for stream in streams} == account.SPECS.keys()
    for stream in streams:
        spec = account.SPECS[stream.system, stream.name]
        assert contracted(stream.envelope) == declared(spec.envelope)
        assert contracted(stream.batch) == declared(spec.batch)
        assert (stream.payload_field, stream.type_field) == (spec.payload, spec.type_field)
        assert spec.batch or stream.time_field == spec.time_field
        assert stream.max_events == (account.MOST_EVENTS if spec.batch else None)
        types = {spelling: t for t in stream.event_types for spelling in (t.name, *t.aliases)}
        assert types.keys() == spec.types.keys()
        for spelling, (references, payload) in spec.types.items():
            assert types[spelling].name == account.ALIASES.get(spelling, spelling)
            assert set(types[spelling].requires) == set(references.split())
            assert contracted(types[spelling].payload) == declared(payload)


def test_the_account_knows_what_a_row_is(tmp_path: Path) -> None:
    def lines(name: str, content: bytes, stream: str = "events") -> list[tuple[int, int]]:
        path = tmp_path / name
        path.write_bytes(content)
        system = "assessment" if stream == "batches" else "study"
        return [(row.line, row.index) for row in account.rows_of(path, system, stream, date(2026, 3, 2))]

    assert lines("events.ndjson", b"\xef\xbb\xbf{}\r\n\n \t\r\n{}\n[]") == [(1, 0), (4, 0), (5, 0)]
    assert lines("events.csv", b'a,b\n1,2\n\n"x\ny",2\r\n"open,1\n3,4\n') == [(1, 0), (2, 0), (3, 0), (4, 0)]
    batches = b'{"events":[{},{}]}\n{"events":[]}\n{}\n{"events":5}\ntorn\n'
    assert lines("batches.ndjson", batches, "batches") == [(1, 0), (1, 1), (3, 0), (4, 0), (5, 0)]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_the_account_reads_json_as_python_does(value: object) -> None:
    def plain(found: object) -> object:
        if isinstance(found, account.Num):
            return int(found)
        if isinstance(found, list):
            return [plain(item) for item in found]
        return {name: plain(item) for name, item in found.items()} if isinstance(found, dict) else found

    assert plain(account.parse(json.dumps(value))) == value
    assert account.parse(account.compact(account.parse(json.dumps(value)))) == account.parse(json.dumps(value))
