"""Erasure: a person's rows leave the lake, and do not come back with a file that is loaded later.

What belongs here: who is erased, and taking them out of the active loads. What does not: keeping them out of a load
(`validation.py` judges by the subject fields; `load.py` asks `mentions` about rows that broke their contract).

Who is erased is kept as keyed hashes; the key lies outside the lake, so that a copy of the lake names nobody.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion import canonical, ledger
from ingestion.contract import Stream
from ingestion.home import Home
from ingestion.lake import Lake, all_streams, attach_lake, find_stream
from ingestion.ledger import Load
from ingestion.lock import writer_lock
from ingestion.privacy import UUID_FORM, id_forms, keyed_hash
from ingestion.sql import quoted
from ingestion.storage import Location, lake_of, told
from ingestion.validation import subjects_sql
from ingestion.values import quote_list

_UUID = re.compile(UUID_FORM)
# Where an id may stand in a row that could not be read: between quotes, between commas, among no marks at all, before a
# full stop.
_CANDIDATES = (
    re.compile(r'[^"\\]+'),
    re.compile(r"[^,\r\n]+"),
    re.compile(r"[^\s\"',:;{}\[\]\\]+"),
    re.compile(r"\w+(?:[.-]\w+)*"),
    _UUID,
)
# A key may be made of several ids, which may hold what joins them: so it is any part of it between two of these.
_JOINT = re.compile(r"[:_|-]")
_MOST_JOINTS = 24
_KEY_BYTES = 32


def secret_key(home: Home) -> bytes:
    """The key of the keyed hashes, made once. Without it no hash in the lake can be compared with a new one.

    Raises RuntimeError where it is lost or spoilt: those who were erased would not be known any more.
    """
    path = home.secret_key
    if not path.exists():
        if erased_subjects(home):
            raise RuntimeError(f"{path} is missing: without it nobody knows who was erased; put it back")
        _write_private(path, secrets.token_hex(_KEY_BYTES))
    text = path.read_text().strip()
    if not re.fullmatch(f"[0-9a-f]{{{2 * _KEY_BYTES}}}", text):
        raise RuntimeError(f"{path} is no key of {2 * _KEY_BYTES} hexadecimal digits; put the right one back")
    return bytes.fromhex(text)


def erased_subjects(home: Home) -> frozenset[str]:
    """The keyed hashes of those who were erased."""
    path = _list_of_erased(home)
    with told(path):
        return frozenset(path.read_text().split()) if path.exists() else frozenset()


def mentions(text: str, erased: frozenset[str], key: bytes) -> bool:
    """Whether a row as it came mentions one of the erased: in its values if it is JSON, in its text if it is not."""
    parts = list(_texts(text))
    candidates = {candidate for part in parts for pattern in _CANDIDATES for candidate in pattern.findall(part)}
    candidates |= {span for part in parts for word in {part, *part.split()} for span in _spans(word)}
    return any(keyed_hash(key, form) in erased for form in {form for found in candidates for form in id_forms(found)})


def erase(home: Home, subject_id: str) -> list[Load]:
    """Take a person out of the lake, and keep them out of every later load.

    Each date that held something of them gets a new load without it; these loads are returned. The databases in the
    work folder are dropped, for they keep deleted rows in their free blocks: the next night builds them anew. Killed
    midway, it is finished by being called again.
    """
    with writer_lock(home, "erase"), duckdb.connect() as con:
        con.execute(f"set temp_directory = {quoted(str(home.work / 'erase.tmp'))}")
        key = secret_key(home)
        erased = erased_subjects(home) | {keyed_hash(key, form) for form in id_forms(subject_id)}
        _remember_erased(home, erased)
        attach_lake(con, home)
        lake = Lake(home)
        loads = ledger.active_loads(home).values()
        rows = {load_id: rows for stream in all_streams() for load_id, rows in _rows_of(con, stream, subject_id)}
        rejected = _rejected_rows_of(con, subject_id, erased, key)
        replaced = [
            _without(con, lake, load, subject_id, rows.get(load.load_id, 0), rejected.get(load.load_id, Counter()))
            for load in loads
            if load.load_id in rows or load.load_id in rejected
        ]
        for table in (lake.quarantine, *(lake.raw(stream) for stream in all_streams())):
            table.vacuum()
        home.drop_models()
    return replaced


def _rows_of(con: duckdb.DuckDBPyConnection, stream: Stream, subject_id: str) -> list[tuple[str, int]]:
    """How many accepted rows of each active load name the person."""
    table = f"lake.raw.{stream.system}_{stream.name}"
    return con.execute(
        f"select load_id, count(*) from {table} where {_names(stream, subject_id)} group by 1"
    ).fetchall()


def _rejected_rows_of(
    con: duckdb.DuckDBPyConnection, subject_id: str, erased: frozenset[str], key: bytes
) -> dict[str, Counter[str]]:
    """How many rejected rows of each active load mention the person, by reason; these rows' texts become `gone`."""
    raws = con.execute(
        # an id that JSON spells with an escape is found by its value only
        "select distinct raw from lake.raw.quarantine where contains(lower(raw), lower(?)) or contains(raw, '\\')",
        [subject_id],
    ).fetchall()
    gone = [raw for (raw,) in raws if mentions(raw, erased, key)]
    con.register("gone", pa.table({"raw": pa.array(gone, pa.string())}))
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for load_id, reason, rows in con.execute(
        "select load_id, reason, count(*) from lake.raw.quarantine semi join gone using (raw) group by all"
    ).fetchall():
        counts[load_id][reason] = rows
    return counts


def _without(
    con: duckdb.DuckDBPyConnection, lake: Lake, load: Load, subject_id: str, rows: int, rejected: Counter[str]
) -> Load:
    """Put a load without the person in place of one that holds something of them."""
    stream = find_stream(load.system, load.stream)
    now = datetime.now(UTC)
    new = replace(
        load,
        load_id=ledger.new_load_id(now),
        loaded_at=now,
        rows_accepted=load.rows_accepted - rows,
        rejected=dict(Counter(load.rejected) - rejected),
        rows_erased=load.rows_erased + rows + rejected.total(),
    )
    own = f"load_id = {quoted(load.load_id)}"
    table = f"lake.raw.{stream.system}_{stream.name}"
    accepted = f"from {table} where {own} and not coalesce({_names(stream, subject_id)}, false)"
    rejected_rows = f"from lake.raw.quarantine where {own} and coalesce(raw not in (select raw from gone), true)"
    return ledger.post(con, lake, new, accepted, rejected_rows)


def _names(stream: Stream, subject_id: str) -> str:
    """The condition that a row of a stream's raw table names the person in one of its subject fields."""
    named = subjects_sql(stream)
    if _UUID.fullmatch(subject_id):
        named = f"list_transform({named}, lambda id: lower(id))"
    return f"list_has_any({named}, {quote_list(sorted(id_forms(subject_id)))})"


def _spans(word: str) -> Iterator[str]:
    """The parts of a key between any two joints; of a word with very many none, as no key has so many."""
    joints = [match.start() for match in itertools.islice(_JOINT.finditer(word), _MOST_JOINTS + 1)]
    if joints and len(joints) <= _MOST_JOINTS:
        starts, ends = [0, *(at + 1 for at in joints)], [*joints, len(word)]
        yield from (word[start:end] for start in starts for end in ends if start < end)


def _texts(row: str) -> Iterator[str]:
    """The texts and numbers in a JSON text, names of fields included; of any other text the text itself."""
    try:
        todo = [canonical.parse(row)]
    except canonical.NotJson:
        yield row
        return
    while todo:
        value = todo.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from value
            todo += value.values()
        elif isinstance(value, list):
            todo += value


def _list_of_erased(home: Home) -> Location:
    return lake_of(home) / "erased_subjects"


def _remember_erased(home: Home, erased: frozenset[str]) -> None:
    path, text = _list_of_erased(home), "\n".join(sorted(erased))
    if isinstance(path, Path):
        _write_private(path, text)
    else:
        with told(path):
            path.write_bytes(text.encode())


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
