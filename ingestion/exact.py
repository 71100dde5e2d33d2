"""The judge's functions for odd rows: what SQL cannot do exactly, in Python, called by DuckDB with Arrow batches.

What belongs here: reading of one row's JSON where the engine would spell a number anew, and the storing of payloads
that privacy or schema drift changes. What does not: any verdict (`validation.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from ingestion.canonical import Json, as_decimal, as_text, canonical, compact, parse
from ingestion.contract import Field, Stream
from ingestion.privacy import MAX_GRAIN_LENGTH, OTHER, holds_address, keyed_hash, protect, scrub, scrub_json
from ingestion.values import MAX_DECIMAL

MAX_SHOWN = 200  # characters of an offending value, the sign that it was cut included
_MAX_NAME = 64  # characters of a field's name in a drift report

_TEXTS = pa.list_(pa.string())
_ENTRIES = pa.struct({"k": _TEXTS, "v": _TEXTS})
_STORED = pa.struct({"payload": pa.string(), "unknown": _TEXTS})


class Exact:
    """The functions of one stream and one key, registered in a connection under names of their own."""

    def __init__(self, stream: Stream, key: bytes) -> None:
        """The functions for rows of `stream`, free text hashed with `key`."""
        self._stream = stream
        self._key = key
        self._envelope = {field.name for field in stream.envelope}
        self._batch = {field.name for field in stream.batch}
        self._payload: Mapping[str | None, Mapping[str, Field]] = {
            event_type.name: {field.name: field for field in event_type.payload} for event_type in stream.event_types
        }
        self._parsed_batch = lru_cache(maxsize=1)(parse)  # the events of a batch come one after the other
        digest = hashlib.sha256(b"|".join((stream.system.encode(), stream.name.encode(), key))).hexdigest()
        self.stored_name = f"daybook_stored_{digest[:16]}"
        self.keyed_hash_name = f"daybook_keyed_hash_{digest[:16]}"

    def register(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the functions known to all connections of a database while this one is open; again does no harm."""
        functions: list[tuple[str, Callable[..., Any], int, str, pa.DataType]] = [
            (self.stored_name, self.stored, 3, "STRUCT(payload VARCHAR, unknown VARCHAR[])", _STORED),
            (self.keyed_hash_name, self.keyed_hash, 1, "VARCHAR", pa.string()),
            ("daybook_canonical", _canonical, 1, "VARCHAR", pa.string()),
            ("daybook_scrubbed", _scrubbed, 1, "VARCHAR", pa.string()),
            ("daybook_open", _open, 2, "VARCHAR", pa.string()),
            ("daybook_grain", _grain, 1, "VARCHAR", pa.string()),
            ("daybook_shown", _shown, 1, "VARCHAR", pa.string()),
            ("daybook_decimal", _decimal, 1, "VARCHAR", pa.string()),
            ("daybook_compare", _compare, 2, "BIGINT", pa.int64()),
            ("daybook_entries", _entries, 2, "STRUCT(k VARCHAR[], v VARCHAR[])", _ENTRIES),
            ("daybook_size", _size, 2, "BIGINT", pa.int64()),
            ("daybook_members", _members, 2, "VARCHAR[]", _TEXTS),
            ("daybook_opening", _opening, 2, "VARCHAR", pa.string()),
        ]
        for name, function, arguments, sql_type, arrow_type in functions:
            try:
                con.create_function(
                    name,
                    _in_batches(function, arguments, arrow_type),
                    ["VARCHAR"] * arguments,
                    sql_type,
                    type=PythonUDFType.ARROW,
                    null_handling=FunctionNullHandling.SPECIAL,
                )
            except (duckdb.NotImplementedException, duckdb.CatalogException):  # this connection, or another, has it
                return

    def keyed_hash(self, text: str) -> str:
        """What is kept of a free text beside its length."""
        return keyed_hash(self._key, text)

    def stored(self, doc: str, batch: str | None, event_type: str | None) -> dict[str, Json]:
        """The payload as stored, and the names of the fields that the contract does not know.

        `batch` is the batch that an event came in, without its events.
        """
        row = parse(doc)
        fields = self._payload.get(event_type, {})
        payload = row.get(self._stream.payload_field)
        members = {name: value for name, value in (payload or {}).items() if value is not None}
        stored: dict[str, Json] = {}
        unknown: list[str] = []
        for name, value in members.items():
            if name in fields:
                stored[name] = protect(fields[name], value, self._key)
            else:
                unknown.append(name)
                stored.setdefault(scrub(name), scrub_json(value))
        of_batch = self._parsed_batch(batch) if batch is not None else {}
        for envelope, known in ((row, self._envelope), (of_batch, self._batch)):
            for name, value in envelope.items():
                if name not in known and value is not None:
                    unknown.append(name)
                    if name not in fields and name not in members:
                        stored.setdefault(scrub(name), scrub_json(value))
        text = None if payload is None and not stored else canonical(stored)
        return {"payload": text, "unknown": sorted({scrub(name)[:_MAX_NAME] for name in unknown})}


def _canonical(text: str) -> str:
    """The canonical text of a JSON value."""
    return canonical(parse(text))


def _scrubbed(text: str) -> str:
    """The JSON of a text without what could name a person."""
    return canonical(scrub(text))


def _open(text: str, limit: str | None) -> str:
    """An open JSON value as a column stores it: text as it is, scalars as JSON, else (under a limit) a hash.

    Of a short text that holds an address nothing is kept: who counts through all addresses finds its hash.
    """
    value = parse(text)
    shown = as_text(value)
    if limit is None:
        return shown
    if not isinstance(value, dict | list) and len(shown) <= int(limit):
        return OTHER if holds_address(shown) else shown
    return hashlib.sha256(shown.encode()).hexdigest()


def _grain(text: str) -> str:
    """A value that marts group by: a text as it is, any other as JSON."""
    shown = as_text(parse(text))
    return OTHER if len(shown) > MAX_GRAIN_LENGTH or holds_address(shown) else shown


def _shown(text: str) -> str:
    """An offending value as the quarantine's detail shows it."""
    shown = scrub(text)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"


def _decimal(number: str) -> str:
    """A number as a decimal column stores it: rounded half away from zero, at the column's limit if beyond."""
    largest = Decimal(MAX_DECIMAL)
    return str(max(-largest, min(largest, as_decimal(number))).quantize(Decimal("0.000001"), ROUND_HALF_UP))


def _compare(number: str, limit: str) -> int:
    """-1, 0 or 1: whether a number is less than a limit, equal, or greater."""
    value, other = as_decimal(number), Decimal(limit)
    return (value > other) - (value < other)


def _entries(doc: str, payload_field: str) -> dict[str, list[str]]:
    """Names and values of a payload, numbers as spelled."""
    payload = parse(doc)[payload_field]
    return {"k": list(payload), "v": [compact(value) for value in payload.values()]}


def _size(doc: str, payload_field: str) -> int:
    """Bytes of a payload as compact JSON."""
    return len(compact(parse(doc)[payload_field]).encode())


def _members(doc: str, list_field: str) -> list[str]:
    """The values in a list of a JSON object, numbers as spelled."""
    return [compact(value) for value in parse(doc)[list_field]]


def _opening(batch: str, list_field: str) -> str:
    """A batch up to where its events begin; the list comes last."""
    fields = {name: value for name, value in parse(batch).items() if name != list_field}
    return compact({**fields, list_field: []}).removesuffix("]}")


def _in_batches(function: Callable[..., Any], arguments: int, kind: pa.DataType) -> Callable[..., pa.Array]:
    def batch(*columns: pa.ChunkedArray) -> pa.Array:
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return pa.array([None if row[0] is None else function(*row) for row in rows], type=kind)

    # DuckDB counts the parameters of what it is given
    shapes: dict[int, Callable[..., pa.Array]] = {
        1: lambda a: batch(a),
        2: lambda a, b: batch(a, b),
        3: lambda a, b, c: batch(a, b, c),
    }
    return shapes[arguments]
