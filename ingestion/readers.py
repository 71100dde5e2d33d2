"""Files of an extract as documents: a strictly valid JSON object for each row, in whatever format it came, or a fault.

What belongs here: what a row is in NDJSON, CSV and Parquet, and how a cell or a typed value is spelled as JSON. Rows of
a database come as JSON already (`database.py`).
What does not: whether the values are right (`validation.py`), and which files there are (`extracts.py`).

A file is read in pieces of bounded size. Python code runs per piece; per row only for CSV and the few odd lines.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Protocol

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.sqltypes import DuckDBPyType

from ingestion import canonical
from ingestion.contract import FieldType, Stream
from ingestion.privacy import in_short, scrub
from ingestion.sql import file_name, identifier, quoted
from ingestion.storage import BucketPath, Location, OneFile

# The suffixes of the files that an extract is made of: what reads them, and the codec that they are packed with.
FORMATS: dict[str, tuple[str, str | None]] = {
    ".ndjson": ("ndjson", None),
    ".ndjson.gz": ("ndjson", "gzip"),
    ".ndjson.zst": ("ndjson", "zstd"),
    ".csv": ("csv", None),
    ".csv.gz": ("csv", "gzip"),
    ".parquet": ("parquet", None),
}

DOCUMENTS = pa.schema(
    {
        "source_file": pa.dictionary(pa.int32(), pa.string()),
        "source_line": pa.int64(),
        "doc": pa.string(),
        "raw": pa.string(),
        "fault": pa.string(),
        "is_known": pa.bool_(),
    }
)

# A line or a record longer than this is malformed, and only its beginning is kept: memory stays bounded whatever comes.
LONGEST_ROW = 16 * 1024 * 1024
# Rows that are judged at a time, and bytes that are read at a time.
_PIECE_ROWS = 200_000
_PIECE_BYTES = 32 * 1024 * 1024
# A file may unpack to this much, or to so many times its size; beyond both it is taken for a bomb, and refused.
_MOST_UNPACKED = 1024 * 1024 * 1024
_MOST_TIMES = 200
# A header with more names is no header: the query that reads a file has an expression for each.
_MOST_COLUMNS = 5_000
_PARQUET_MEMORY = "1GB"

_BOM = b"\xef\xbb\xbf"
_TOO_LONG = f"longer than {LONGEST_ROW:,} bytes; only the beginning is kept"
_NOT_UTF8 = "not valid UTF-8"

_Numbers = np.ndarray[tuple[int], np.dtype[np.int64]]


class UnreadableFile(Exception):
    """A file that cannot be read as what its name says; the message is the cause."""


class _Source(Protocol):
    def read(self, size: int, /) -> bytes: ...


def split_name(name: str) -> tuple[str, str] | None:
    """The part before the suffix and the suffix of a data file's name; None for any other name."""
    for suffix in sorted(FORMATS, key=len, reverse=True):
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return None


def read_documents(con: duckdb.DuckDBPyConnection, stream: Stream, path: Location) -> Iterator[pa.Table]:
    """The rows of one file as tables of the schema DOCUMENTS, piece by piece, in the file's order.

    The engine helps on a cursor of `con`, so the caller may use `con` between the pieces. Raises UnreadableFile.
    """
    named = split_name(path.name)
    if named is None:
        raise UnreadableFile("the name has no suffix of a data file")
    kind, codec = FORMATS[named[1]]
    cursor = con.cursor()
    try:
        if kind == "parquet":
            yield from _read_parquet(stream, path)
        else:
            with path.open("rb") as file:
                source = _unpacked(file, codec)
                yield from (
                    _read_ndjson(cursor, source, path.name)
                    if kind == "ndjson"
                    else _read_csv(cursor, stream, source, path.name)
                )
    except OSError as error:
        raise UnreadableFile(error.strerror or in_short(str(error))) from error
    except (pa.ArrowException, duckdb.Error) as error:
        told = str(error).replace(str(path), path.name).replace(OneFile.NAME, path.name)
        raise UnreadableFile(in_short(told)) from error
    finally:
        cursor.close()


def read_records(
    con: duckdb.DuckDBPyConnection,
    name: str,
    records: Iterable[pa.Table],
    is_known: bool = False,
    is_valid: bool = False,
    first: int = 1,
) -> Iterator[pa.Table]:
    """Records of a database as tables of the schema DOCUMENTS, numbered from `first` in the order in which they come.

    `records` are a few at a time. The first column holds JSON objects; another one holds, of the field that it is named
    after, texts that may be JSON. `is_known`: the contract has a field for every member. `is_valid`: there is no other
    column, and the objects are strictly valid for certain. Raises UnreadableFile.
    """
    cursor = con.cursor()
    try:
        for piece in _pieces_of_records(records):
            faults = dict.fromkeys(np.flatnonzero(np.asarray(_lengths(piece)) > LONGEST_ROW).tolist(), _TOO_LONG)
            numbers = np.arange(first, first + len(piece))
            first += len(piece)
            docs = _whole_records(cursor, piece)
            if is_valid:
                yield _documents(name, numbers, docs, docs, faults, is_known)
            else:  # what a database or Python has spelled is JSON in the strict sense, if it is any
                yield _judged_lines(cursor, name, numbers, docs, faults, is_strict=True, is_known=is_known)
    except (pa.ArrowException, duckdb.Error) as error:
        raise UnreadableFile(in_short(str(error))) from error
    finally:
        cursor.close()


def _pieces_of_records(records: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Records put together to pieces of the usual size."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in records:
        held.append(table)
        rows += len(table)
        size += table.nbytes
        if rows >= _PIECE_ROWS or size >= _PIECE_BYTES:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held).combine_chunks()


def _lengths(piece: pa.Table) -> pa.Array:
    """How many bytes each record has, all its texts together."""
    lengths = [pc.fill_null(pc.binary_length(column), 0) for column in piece.columns]
    return functools.reduce(pc.add, lengths).combine_chunks()


def _whole_records(cursor: duckdb.DuckDBPyConnection, piece: pa.Table) -> pa.Array:
    """The objects, with the texts in them that may be JSON."""
    doc, *fields = piece.column_names
    if not fields:
        return piece[doc].combine_chunks()
    cursor.register("record", piece)
    cells = {field: identifier(field) for field in fields}
    _note_what_is_no_json(cursor, "record", list(cells.values()))
    more = _object([(field, f"{cell} is not null", _embedded(cell)) for field, cell in cells.items()])
    whole = "case when more = '{}' then doc when doc = '{}' then more else doc[:-2] || ',' || more[2:] end"
    query = f"select {whole} as doc from (select {identifier(doc)} as doc, {more} as more from record)"
    return cursor.execute(query).to_arrow_table()["doc"].combine_chunks()


def _unpacked(file: BufferedReader, codec: str | None) -> _Source:
    if codec is None:
        return file
    if not file.peek(1):
        raise UnreadableFile(f"an empty file is no {codec} file")
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return _Unpacked(pa.CompressedInputStream(file, codec), size)


class _Unpacked:
    """What a packed file holds, as long as it is in proportion to the file."""

    def __init__(self, source: _Source, size: int) -> None:
        self._source = source
        self._size = size
        self._read = 0

    def read(self, size: int, /) -> bytes:
        block = self._source.read(size)
        self._read += len(block)
        _refuse_bomb(self._read, self._size)
        return block


def _refuse_bomb(unpacked: int, size: int) -> None:
    if unpacked > max(_MOST_UNPACKED, _MOST_TIMES * size):
        raise UnreadableFile(
            f"unpacks to more than {_MOST_TIMES} times its size, and to more than {_MOST_UNPACKED:,} bytes"
        )


def _documents(
    name: str, numbers: _Numbers, docs: pa.Array, raws: pa.Array, faults: dict[int, str], is_known: bool
) -> pa.Table:
    """One piece.

    `faults` says by position which rows are malformed, and why; `is_known` that the contract knows every member that
    the objects may have.
    """
    fault = pa.nulls(len(numbers), pa.string())
    if faults:
        mask = np.zeros(len(numbers), bool)
        mask[list(faults)] = True
        fault = pc.replace_with_mask(fault, pa.array(mask), pa.array([faults[i] for i in sorted(faults)], pa.string()))
        docs = pc.if_else(pa.array(mask), pa.scalar(None, pa.string()), docs)
    names = pa.DictionaryArray.from_arrays(np.zeros(len(numbers), np.int32), pa.array([name]))
    known = pa.repeat(pa.scalar(is_known), len(numbers))
    return pa.table([names, pa.array(numbers), docs, raws, fault, known], schema=DOCUMENTS)


# --- NDJSON ---


def _read_ndjson(cursor: duckdb.DuckDBPyConnection, source: _Source, name: str) -> Iterator[pa.Table]:
    before = 0  # lines that came before
    for piece in _whole_lines(source):
        for part in _parts(piece):
            lines = _lines(part)
            # What an empty line costs is this: a packed file may hold very many.
            there = np.flatnonzero(np.diff(np.frombuffer(lines.buffers()[1], np.int32)))
            numbers = there + (before + 1)
            before += len(lines)
            if len(there) < len(lines):
                lines = lines.take(pa.array(there))
            for start in range(0, len(lines), _PIECE_ROWS):
                texts, faults = _strings(lines.slice(start, _PIECE_ROWS))
                yield _judged_lines(cursor, name, numbers[start : start + _PIECE_ROWS], texts, faults)


def _whole_lines(source: _Source) -> Iterator[bytes]:
    """Pieces that end where a line ends. Of a line that is too long only the beginning comes."""
    rest = b""  # a line that has begun and not ended
    first = True
    while block := source.read(_PIECE_BYTES):
        if first:
            block, first = block.removeprefix(_BOM), False
        end = block.rfind(b"\n") + 1
        if end:
            yield b"".join((rest, memoryview(block)[:end]))  # copied once
            rest = block[end:]
        else:
            rest = (rest + block)[: LONGEST_ROW + 1]
    if rest:
        yield rest + b"\n"


def _parts(piece: bytes) -> Iterator[bytes]:
    """A piece in parts that end where a line ends: many where its lines are many, for each of them costs memory."""
    count = piece.count(b"\n")
    step = len(piece) * min(count, 8 * _PIECE_ROWS) // count
    start = 0
    while start < len(piece):
        end = piece.find(b"\n", start + step - 1) + 1 or len(piece)
        yield piece[start:end]
        start = end


def _lines(piece: bytes) -> pa.Array:
    """The lines of a piece without their line ends, as binary values over one buffer."""
    if b"\r" in piece:  # far cheaper to look for than what is replaced
        piece = piece.replace(b"\r\n", b"\n")
    ends = np.flatnonzero(np.frombuffer(piece, np.uint8) == ord("\n"))
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends - np.arange(len(ends))
    text = pa.py_buffer(piece.replace(b"\n", b""))
    return pa.Array.from_buffers(pa.binary(), len(ends), [None, pa.py_buffer(offsets), text])


def _strings(values: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Binary values as text, and by position why some are no row: too long, or no UTF-8 (then with replacements)."""
    faults = dict.fromkeys(np.flatnonzero(np.asarray(pc.binary_length(values)) > LONGEST_ROW).tolist(), _TOO_LONG)
    text = values.view(pa.string())
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        texts = []
        for i, value in enumerate(values.to_pylist()):
            try:
                texts.append(value.decode())
            except UnicodeDecodeError:
                texts.append(value.decode(errors="replace"))
                faults.setdefault(i, _NOT_UTF8)
        text = pa.array(texts, pa.string())
    return text, faults


def _judged_lines(
    cursor: duckdb.DuckDBPyConnection,
    name: str,
    numbers: _Numbers,
    lines: pa.Array,
    faults: dict[int, str],
    is_strict: bool = False,
    is_known: bool = False,
) -> pa.Table:
    """The rows of some lines; `is_strict`: none of them is JSON for the engine alone."""
    is_lax = "false" if is_strict else canonical.suspicious_sql("text")
    cursor.register("line", pa.table({"position": np.arange(len(lines)), "text": lines}))
    odd = cursor.execute(
        f"""
        select position, text from line
        where not json_valid(text) or not starts_with(ltrim(text, ' \t\r'), '{{') or {is_lax}
        """
    ).fetchall()
    blank = []
    for position, text in odd:
        if not text.strip(" \t\r"):
            blank.append(position)
        elif position not in faults:
            fault = canonical.fault(text)
            if fault is not None:
                faults[position] = fault
    documents = _documents(name, numbers, lines, lines, faults, is_known)
    if blank:
        keep = np.ones(len(lines), bool)
        keep[blank] = False
        documents = documents.filter(pa.array(keep))
    return documents


# --- CSV ---

_CELL = rb'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_RECORD = re.compile(_CELL + rb"(?:," + _CELL + rb")*+(?:\r?\n|\Z)")
_BLANK_LINES = re.compile(rb"(?:\r?\n)*+")
_CELLS = re.compile(r'(?:^|,)("[^"]*+(?:""[^"]*+)*+"|[^,"]*+)')
_BROKEN = "a quote that is not closed, or stands in the middle of a cell"
_BARE_RETURN = "a carriage return without a line feed; a line ends with one or with both"


def _read_csv(cursor: duckdb.DuckDBPyConnection, stream: Stream, source: _Source, name: str) -> Iterator[pa.Table]:
    records = _records(source)
    head = next(records, None)
    if head is None:
        return
    header = _header(*head, known=_known_names(stream))
    document, json_cells = _document_of_cells(stream, header)
    number = 1
    for batch in _batches(records):
        raws, faults = _strings(pa.array([raw for raw, _ in batch], pa.binary()))
        cells: list[list[str] | None] = []
        for i, raw in enumerate(raws.to_pylist()):
            if i not in faults and not batch[i][1]:
                faults[i] = _what_breaks(raw)
            row = _cells(raw) if i not in faults else None
            if row is not None and len(row) != len(header):
                faults[i] = f"{len(row)} cells where the header has {len(header)}"
                row = None
            cells.append(row)
        cursor.register("record", pa.table({"cells": pa.array(cells, pa.list_(pa.string()))}))
        _note_what_is_no_json(cursor, "record", json_cells)
        docs = cursor.execute(f"select {document} as doc from record").to_arrow_table()["doc"]
        numbers = np.arange(number, number + len(batch))
        yield _documents(name, numbers, docs.combine_chunks(), raws, faults, _knows(stream, header))
        number += len(batch)


def _records(source: _Source) -> Iterator[tuple[bytes, bool]]:
    """Records without their line end, and whether their quotes keep to RFC 4180. Blank lines are none.

    A record with a broken quote ends where its first line does: one stray quote does not swallow the rows below it.
    """
    text, start, ended = source.read(_PIECE_BYTES).removeprefix(_BOM), 0, False
    while True:
        blank = _BLANK_LINES.match(text, start)
        start = blank.end() if blank is not None else start
        match = _RECORD.match(text, start)
        at_end = match is None or match.end() == len(text)
        if at_end and not ended and len(text) - start <= LONGEST_ROW + 2:
            # The record may go on in what has not been read.
            block = source.read(_PIECE_BYTES)
            text, start, ended = text[start:] + block, 0, not block
            continue
        if start == len(text):
            return
        if match is not None and match.end() - start > LONGEST_ROW + 2:
            match = None
        if match is not None:
            end = match.end()
        else:
            end = text.find(b"\n", start) + 1
            while not end and not ended:  # the rest of a line that is too long
                block = source.read(_PIECE_BYTES)
                text, start, ended = text[start : start + LONGEST_ROW + 1] + block, 0, not block
                end = text.find(b"\n") + 1
            end = end or len(text)
        raw = text[start:end].removesuffix(b"\n").removesuffix(b"\r")
        start = end
        if raw:
            yield raw[: LONGEST_ROW + 1], match is not None


def _batches(records: Iterable[tuple[bytes, bool]]) -> Iterator[list[tuple[bytes, bool]]]:
    batch: list[tuple[bytes, bool]] = []
    size = 0
    for record in records:
        batch.append(record)
        size += len(record[0])
        if len(batch) == _PIECE_ROWS or size > _PIECE_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _header(raw: bytes, whole: bool, known: frozenset[str]) -> list[str]:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise UnreadableFile(f"the header is {_NOT_UTF8}") from None
    if not whole:
        raise UnreadableFile(f"the header has {_what_breaks(text)}")
    header = _cells(text)
    _refuse_columns(len(header))
    first: dict[str, int] = {}
    for number, column in enumerate(header, 1):
        if first.setdefault(column, number) != number:
            # A file without a header begins with a row: only a name that everybody knows is told.
            named = f"the column {column!r}" if column in known else "a column"
            raise UnreadableFile(f"the header names {named} twice: columns {first[column]} and {number}")
    return header


def _refuse_columns(number: int) -> None:
    if number > _MOST_COLUMNS:
        raise UnreadableFile(f"{number:,} columns; at most {_MOST_COLUMNS:,} are read")


def _what_breaks(record: str) -> str:
    return _BARE_RETURN if "\r" in record and '"' not in record else _BROKEN


def _cells(record: str) -> list[str]:
    if '"' not in record:
        return record.split(",")
    return [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell for cell in _CELLS.findall(record)]


def _document_of_cells(stream: Stream, header: list[str]) -> tuple[str, list[str]]:
    """The SQL of a record's document, and the SQL of the cells that may hold JSON."""
    types = _types(stream)
    members, json_cells = [], []
    for i, column in enumerate(header, 1):
        type_, cell = types.get(column, "text"), f"cells[{i}]"
        if type_ in HOLDS_JSON:
            json_cells.append(cell)
        members.append((column, f"{cell} <> ''", _cell_as_json(type_, cell)))
    return _object(members), json_cells


_INT = "'[+-]?[0-9]+'"
_JSON_NUMBER = r"'-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?'"


def _cell_as_json(type_: FieldType, cell: str) -> str:
    text = f"to_json({cell})::varchar"
    # An int may have a plus sign and leading zeros, which JSON does not know.
    an_int = rf"when regexp_full_match({cell}, {_INT}) then regexp_replace({cell}, '^\+?(-?)0*([0-9]+)$', '\1\2')"
    a_decimal = f"when regexp_full_match({cell}, {_JSON_NUMBER}) then {cell}"
    if type_ == "int":
        return f"case {an_int} else {text} end"
    if type_ in ("decimal", "number_or_text"):
        return f"case {an_int} {a_decimal} else {text} end"
    if type_ == "bool":
        return f"case when lower({cell}) in ('true', 'false') then lower({cell}) else {text} end"
    if type_ in HOLDS_JSON:
        return _embedded(cell)
    return text


# --- Parquet ---


def _read_parquet(stream: Stream, path: Location) -> Iterator[pa.Table]:
    """By an engine of its own: one thread alone reads the rows in their order, and what it needs is bounded."""
    source = OneFile(path) if isinstance(path, BucketPath) else None
    try:
        literal = file_name(path) if isinstance(path, Path) else quoted(OneFile.NAME)
    except ValueError as error:
        raise UnreadableFile(str(error)) from error
    with duckdb.connect(config={"threads": 1, "memory_limit": _PARQUET_MEMORY, "temp_directory": ""}) as engine:
        engine.execute("set timezone = 'UTC'")
        engine.execute("set enable_progress_bar = false")
        if source is not None:
            engine.execute("set enable_external_file_cache = false")  # nothing is read twice
            engine.register_filesystem(source)
        try:
            yield from _read_rows(engine, stream, path.name, path.stat().st_size, literal)
        except duckdb.Error:
            if source is not None and source.error is not None:
                raise source.error from None
            raise


def _read_rows(
    engine: duckdb.DuckDBPyConnection, stream: Stream, name: str, file_size: int, literal: str
) -> Iterator[pa.Table]:
    _check_parquet(engine, literal)
    [(count,)] = engine.execute(f"select num_rows from parquet_file_metadata({literal})").fetchall()
    _refuse_bomb(count * _ROW_BYTES, file_size)
    rows = f"read_parquet({literal}, hive_partitioning = false)"
    relation = engine.sql(f"select * from {rows}")
    columns = list(zip(relation.columns, relation.types, strict=True))
    types, known, is_known = _types(stream), _known_names(stream), _knows(stream, relation.columns)
    members, json_cells, binary = [], [], []
    for column, type_ in columns:
        value = identifier(column)
        if type_.id in _TEXT and types.get(column) in HOLDS_JSON:
            text = f"try(decode({value}))" if type_.id == "blob" else f"{value}::varchar"
            json_cells.append(text)
            members.append((column, f"{value} is not null", _embedded(text)))
        else:
            members.append(_member(column, type_, value, known))
        if type_.id == "blob":
            binary.append((column, f"{value} is not null and try(decode({value})) is null"))
    _note_what_is_no_json(engine, rows, json_cells)
    fault = "".join(
        f"when {condition} then {quoted(f'{_told(column)}: bytes that are {_NOT_UTF8}')} "
        for column, condition in binary
    )
    size = f"({_sum([str(_ROW_BYTES), *(_bytes(type_, identifier(column)) for column, type_ in columns)])})::bigint"
    fault = f"case {fault} end" if fault else "null::varchar"
    document = _object(members)
    reader = engine.execute(
        f"select case when {size} <= {_LARGE_ROW} then {document} end as doc, {fault} as fault, {size} as size"
        f" from {rows}"
    ).to_arrow_reader(_VECTOR_ROWS)
    large: list[tuple[int, int]] = []  # rows that were left out, by their place in the file, and their sizes
    number = 1
    for piece in _pieces(reader, file_size):
        sizes = piece["size"].to_numpy()
        left_out = np.flatnonzero(sizes > _LARGE_ROW)
        large += zip((left_out + (number - 1)).tolist(), sizes[left_out].tolist(), strict=True)
        numbers = np.arange(number, number + len(piece))
        number += len(piece)
        if len(left_out):
            numbers, piece = np.delete(numbers, left_out), piece.filter(pa.array(sizes <= _LARGE_ROW))
        yield _parquet_documents(name, numbers, piece, is_known)
    if large and _ROW_NUMBER in {column.lower() for column, _ in columns}:
        raise UnreadableFile(f"long rows beside a column {_ROW_NUMBER}: they cannot be told from each other")
    texts = [(column, identifier(column)) for column, type_ in columns if type_.id == "varchar"]
    beginning = _object([(c, f"{v} is not null", f"to_json(left({v}, {_BEGINNING}))::varchar") for c, v in texts])
    is_long = f"{size} > {LONGEST_ROW}"
    for first, last in _windows(large):
        piece = engine.execute(f"""
            select case when {is_long} then {beginning} else {document} end as doc,
                case when {is_long} then {quoted(_TOO_LONG)} else {fault} end as fault, {_ROW_NUMBER} + 1 as number
            from {rows} where {_ROW_NUMBER} between {first} and {last} and {size} > {_LARGE_ROW}
            order by number""").to_arrow_table()
        yield _parquet_documents(name, piece["number"].to_numpy(), piece, is_known)


def _parquet_documents(name: str, numbers: _Numbers, piece: pa.Table, is_known: bool) -> pa.Table:
    docs = piece["doc"].combine_chunks()
    faults = {}
    if piece["fault"].null_count < len(piece):
        faults = {i: why for i, why in enumerate(piece["fault"].to_pylist()) if why}
    return _documents(name, numbers, docs, docs, faults, is_known)


def _pieces(reader: Iterable[pa.RecordBatch], file_size: int) -> Iterator[pa.Table]:
    """What the engine reads, put together to pieces of the usual size."""
    held: list[pa.RecordBatch] = []
    rows = size = total = 0
    for batch in reader:
        held.append(batch)
        sizes = batch.column("size").to_numpy(zero_copy_only=False)
        rows += len(sizes)
        size += int(np.minimum(sizes, _LARGE_ROW).sum())
        total += int(sizes.sum())
        _refuse_bomb(total, file_size)
        if rows + _VECTOR_ROWS > _PIECE_ROWS or size > _PIECE_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


def _windows(large: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The first and the last of as many large rows as are read at a time."""
    window: list[int] = []
    held = 0
    for row, size in large:
        size = min(size, LONGEST_ROW)
        if window and held + size > _PIECE_BYTES:
            yield window[0], window[-1]
            window, held = [], 0
        window.append(row)
        held += size
    if window:
        yield window[0], window[-1]


def _sum(parts: list[str]) -> str:
    """In halves of halves: a plain sum of very many terms is nested too deep for the engine."""
    parts = [part for part in parts if part != "0"]
    if len(parts) < 3:
        return " + ".join(parts) or "0"
    middle = len(parts) // 2
    return f"({_sum(parts[:middle])}) + ({_sum(parts[middle:])})"


def _bytes(type_: DuckDBPyType, value: str, depth: int = 0) -> str:
    """The SQL of about how many bytes a value is as JSON, without making it."""
    kind = type_.id
    if kind == "varchar":
        return f"coalesce(strlen({value}), 0)"
    if kind == "blob":
        return f"coalesce(octet_length({value}), 0)"
    if kind == "struct":
        parts = [_bytes(child, f"{value}.{identifier(name)}", depth) for name, child in _children(type_)]
        return _sum(parts)
    if kind not in ("list", "array", "map"):
        return "0"
    item = f"item_{depth}"
    if kind == "map":
        _, (_, child) = _children(type_)
        own = f"strlen({item}.key::varchar) + {_bytes(child, f'{item}.value', depth + 1)}"
        value = f"map_entries({value})"
    else:
        [(_, child)] = _children(type_)
        own = _bytes(child, item, depth + 1)
    count = f"{_ITEM_BYTES} * coalesce(len({value}), 0)"
    return count if own == "0" else f"{count} + coalesce(list_sum(list_transform({value}, lambda {item}: {own})), 0)"


def _check_parquet(cursor: duckdb.DuckDBPyConnection, literal: str) -> None:
    """Refuse what the engine would read as something else: long decimals as doubles, a name twice as two names."""
    schema = cursor.execute(
        f"select name, coalesce(num_children, 0), precision from parquet_schema({literal})"
    ).fetchall()
    _refuse_columns(len(schema))
    open_groups: list[tuple[int, set[str]]] = []  # from the root: how many children are to come, and those before
    for name, children, precision in schema:
        if "\0" in name:
            raise UnreadableFile("the name of a column holds a NUL character")
        if open_groups:
            left, before = open_groups.pop()
            if name.lower() in before:
                raise UnreadableFile(f"the file names the column {_told(name)!r} twice (upper and lower case are one)")
            if left > 1:
                open_groups.append((left - 1, before | {name.lower()}))
        if precision is not None and precision > _MAX_PRECISION:
            raise UnreadableFile(
                f"{_told(name)}: a decimal of {precision} digits; at most {_MAX_PRECISION} can be read"
            )
        if children:
            open_groups.append((children, set()))


def _told(name: str) -> str:
    """A column's name as a message tells it."""
    return scrub(name)[:_LONGEST_NAME]


_LONGEST_NAME = 64
_ROW_NUMBER = "file_row_number"
# The engine makes the documents of so many rows at a time, whatever comes of it: a text of a dictionary may stand in
# each. So a row that is larger than this is left to a second reading, of few rows at a time.
_VECTOR_ROWS = 2048
_LARGE_ROW = 16 * 1024
_ROW_BYTES = 64  # what a row costs beside its texts, and an item of a list
_ITEM_BYTES = 16
_BEGINNING = 1000  # characters of each text that are kept of a row that is too long
_MAX_PRECISION = 38
_TEXT = ("varchar", "json", "blob")
_FIRST_INSTANT, _LAST_INSTANT = "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"
_PLAIN = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "decimal"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "uhugeint"),
}


def _member(name: str, type_: DuckDBPyType, value: str, known: frozenset[str], depth: int = 0) -> tuple[str, str, str]:
    """A member for `_object`. A number that is none is left out, but not that of a known field: it will be invalid."""
    present = f"{value} is not null" if name in known else _present(type_, value)
    return name, present, _value_as_json(type_, value, known, depth)


def _present(type_: DuckDBPyType, value: str) -> str:
    return f"coalesce(isfinite({value}), false)" if type_.id in ("float", "double") else f"{value} is not null"


def _value_as_json(type_: DuckDBPyType, value: str, known: frozenset[str], depth: int) -> str:
    """The SQL that spells a typed value, not null, as JSON. Null members of objects are left out."""
    kind = type_.id
    if kind in _PLAIN:
        return f"{value}::varchar"
    if kind in ("float", "double"):
        return f"case when isfinite({value}) then {value}::varchar else '\"' || {value}::varchar || '\"' end"
    if kind.startswith("timestamp"):
        # To the microsecond, cut and not rounded: 26 characters are YYYY-MM-DD hh:mm:ss.ffffff. Those of a year that
        # text has no four digits for become the first or the last that it has; nanoseconds do not reach so far.
        utc = value
        if kind != "timestamp_ns":
            zone = "timestamptz" if kind == "timestamp with time zone" else "timestamp"
            utc = f"least(greatest({value}, {zone} '{_FIRST_INSTANT}'), {zone} '{_LAST_INSTANT}')"
        if kind == "timestamp with time zone":
            utc = f"timezone('UTC', {utc})"
        return f"to_json(replace(left({utc}::varchar, 26), ' ', 'T') || 'Z')::varchar"
    if kind == "struct":
        members = []
        for name, child in _children(type_):
            members.append(_member(name, child, f"{value}.{identifier(name)}", known, depth))
        return _object(members)
    if kind in ("list", "array"):
        item = f"item_{depth}"
        [(_, child)] = _children(type_)
        one = _value_as_json(child, item, known, depth + 1)
        return _joined("[]", value, item, f"case when {_present(child, item)} then {one} else 'null' end")
    if kind == "map":
        entry = f"entry_{depth}"
        _, (_, child) = _children(type_)
        one = _value_as_json(child, f"{entry}.value", known, depth + 1)
        entries = f"list_filter(map_entries({value}), lambda {entry}: {_present(child, f'{entry}.value')})"
        return _joined("{}", entries, entry, f"to_json({entry}.key::varchar)::varchar || ':' || {one}")
    if kind == "blob":
        return f"to_json(coalesce(try(decode({value})), {value}::varchar))::varchar"
    return f"to_json({value}::varchar)::varchar"


def _children(type_: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The named parts of a nested type. An array lists its size beside them: left out."""
    return [(name, child) for name, child in type_.children if isinstance(child, DuckDBPyType)]


def _joined(brackets: str, values: str, name: str, one: str) -> str:
    """The SQL of a JSON list's or object's text from a list, each part made by `one` from what is called `name`."""
    inner = f"array_to_string(list_transform({values}, lambda {name}: {one}), ',')"
    return f"'{brackets[0]}' || {inner} || '{brackets[1]}'"


# --- SQL that CSV and Parquet share ---

# Fields of these types may be written as JSON text in a CSV cell or in a Parquet text column.
HOLDS_JSON: tuple[FieldType, ...] = ("object", "list", "any", "uuid_list")


def _types(stream: Stream) -> dict[str, FieldType]:
    """The types of the fields that a row of a file has; of a batches stream that is the batch."""
    return {field.name: field.type for field in stream.batch or stream.envelope}


def _knows(stream: Stream, names: Iterable[str]) -> bool:
    """Whether the contract has a field for each of the members that a row of a file may have."""
    return _types(stream).keys() >= {*names}


def _known_names(stream: Stream) -> frozenset[str]:
    """The names of all fields that a row of a file may hold, at whatever place."""
    payloads = (event_type.payload for event_type in stream.event_types)
    return frozenset(field.name for fields in (stream.batch, stream.envelope, *payloads) for field in fields)


def _object(members: list[tuple[str, str, str]]) -> str:
    """The SQL of a JSON object's text from (name, condition of being there, JSON text of the value)."""
    parts = []
    for name, present, value in members:
        key = quoted(json.dumps(name, ensure_ascii=False) + ":")
        parts.append(f"case when {present} then {key} || {value} end")
    return f"'{{' || concat_ws(',', {', '.join(parts) or 'null'}) || '}}'"


def _embedded(cell: str) -> str:
    """JSON in a text goes in as JSON, any other text as a string."""
    is_json = f"json_valid({cell}) and {cell} not in (select text from no_json)"
    return f"case when {is_json} then {cell} else to_json({cell})::varchar end"


def _note_what_is_no_json(cursor: duckdb.DuckDBPyConnection, relation: str, cells: list[str]) -> None:
    """Register as `no_json` the texts among the cells that only the engine takes for JSON."""
    found = []
    if cells:
        suspicious = " union ".join(
            f"select {cell} as text from {relation} where json_valid({cell}) and {canonical.suspicious_sql(cell)}"
            for cell in cells
        )
        for (text,) in cursor.execute(suspicious).fetchall():
            try:
                canonical.parse(text)
            except canonical.NotJson:
                found.append(text)
    cursor.register("no_json", pa.table({"text": pa.array(found, pa.string())}))
