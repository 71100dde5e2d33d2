"""What a row is in each format, and how it becomes a document."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion import readers
from ingestion.contract import Field, FieldType, Stream
from ingestion.readers import UnreadableFile, read_documents

TYPES: tuple[FieldType, ...] = (
    *("text", "id", "uuid", "int", "decimal", "bool", "timestamp", "object", "uuid_list", "number_or_text", "any"),
)
STREAM = Stream(
    system="study",
    name="events",
    kind="events",
    envelope=tuple(Field(name=type_, type=type_) for type_ in TYPES),
    identity=("id",),
)

Row = tuple[int, Any, str, str | None]


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str, bytes], list[Row]]:
    """Writes a file and reads it: (line, document, raw, fault) for each row."""

    def read(name: str, content: bytes) -> list[Row]:
        path = tmp_path / name
        path.write_bytes(content)
        return rows(path)

    return read


def rows(path: Path) -> list[Row]:
    found: list[Row] = []
    for table in read_documents(duckdb.connect(), STREAM, path):
        assert table.schema == readers.DOCUMENTS
        for row in table.to_pylist():
            assert row["source_file"] == path.name
            assert (row["doc"] is None) == (row["fault"] is not None)
            document = json.loads(row["doc"]) if row["doc"] is not None else None
            found.append((row["source_line"], document, row["raw"], row["fault"]))
    return found


def good(found: list[Row]) -> list[Any]:
    return [document for _, document, _, fault in found if fault is None]


def bad(found: list[Row]) -> list[tuple[int, str, str | None]]:
    return [(line, raw, fault) for line, _, raw, fault in found if fault is not None]


def test_the_members_of_a_table_are_known_before_its_rows(tmp_path: Path) -> None:
    """The judge then looks for none that the contract does not know."""
    known, more = ["id", "text", "object"], ["id", "mood"]
    for names in (known, more):
        row = dict.fromkeys(names, "{}")
        (tmp_path / "events.csv").write_text(f"{','.join(names)}\n{','.join(row.values())}\n")
        (tmp_path / "events.ndjson").write_text(json.dumps(row))
        pq.write_table(pa.table({name: [text] for name, text in row.items()}), tmp_path / "events.parquet")
        for suffix, is_known in (("csv", names == known), ("parquet", names == known), ("ndjson", False)):
            [table] = read_documents(duckdb.connect(), STREAM, tmp_path / f"events.{suffix}")
            assert table["is_known"].to_pylist() == [is_known], (names, suffix)


# --- NDJSON ---


def test_ndjson_lines_are_rows_and_blank_lines_count_in_the_numbers_only(read: Any) -> None:
    found = read("events.ndjson", b'\xef\xbb\xbf{"a":1}\r\n\n  \t\r\n {"a":2} \n\r\n{"a":"\xc3\xa9"}')
    assert [(line, document) for line, document, _, _ in found] == [(1, {"a": 1}), (4, {"a": 2}), (6, {"a": "é"})]
    assert [raw for _, _, raw, _ in found] == ['{"a":1}', ' {"a":2} ', '{"a":"é"}']


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b" \r\n"])
def test_ndjson_without_a_row(read: Any, content: bytes) -> None:
    assert read("events.ndjson", content) == []


@pytest.mark.parametrize(
    "line",
    [
        *(b'{"a":1', b'{"a":1,}', b"{'a':1}", b'{"a":NaN}', b'{"a":[-Infinity]}', b'{"a":01}', b'{"a":"\\ud800"}'),
        *(b'{"a":"\x00"}', b'{"a":"\xff"}', b'{"a":"\xed\xa0\x80"}', b'{"a":1}{"a":2}', b"nonsense", b'{"a":"\\u12'),
        *(b"[]", b'"text"', b"5", b"null", b'\xef\xbb\xbf{"a":1}', b"{" * 5000),
    ],
)
def test_a_malformed_line_is_kept_and_costs_no_other_line(read: Any, line: bytes) -> None:
    found = read("events.ndjson", b'{"n":1}\n' + line + b'\n{"n":2}\n')
    assert good(found) == [{"n": 1}, {"n": 2}]
    [(number, raw, fault)] = bad(found)
    assert number == 2
    assert raw == line.decode(errors="replace")
    assert fault


def test_deep_nesting_is_no_crash(tmp_path: Path) -> None:
    deep = '{"a":' * 200_000 + "1" + "}" * 200_000
    path = tmp_path / "events.ndjson"
    path.write_text(f"{deep}\n{deep[:-1]}\n")
    [table] = read_documents(duckdb.connect(), STREAM, path)
    assert [row["doc"] == deep for row in table.to_pylist()] == [True, False]


def test_a_line_that_is_too_long_is_malformed_and_memory_stays_bounded(
    read: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LONGEST_ROW", 100)
    monkeypatch.setattr(readers, "_PIECE_BYTES", 16)
    long = b'{"a":"' + b"x" * 1000 + b'"}'
    fits = b'{"a":"' + b"x" * 92 + b'"}'
    found = read("events.ndjson", b'{"n":1}\n' + long + b"\n" + fits + b'\n{"n":2}\n' + long)
    assert good(found) == [{"n": 1}, {"a": "x" * 92}, {"n": 2}]
    assert [(number, raw[:8]) for number, raw, _ in bad(found)] == [(2, '{"a":"xx'), (5, '{"a":"xx')]
    assert all(len(raw) <= 116 + 1 for _, raw, _ in bad(found))


@pytest.mark.parametrize("more", [b"x", b" ", b"x" * 200, b" " * 200])
def test_a_line_that_would_be_whole_without_its_end_is_malformed(
    read: Any, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    monkeypatch.setattr(readers, "LONGEST_ROW", 100)
    monkeypatch.setattr(readers, "_PIECE_BYTES", 16)
    fits = b'{"a":"' + b"x" * 92 + b'"}'
    for name, content in (("ndjson", fits), ("csv", b"text\n" + b"x" * 99 + b"y")):
        [whole] = read(f"events.{name}", content)
        assert whole[3] is None
        for end in (b"", b"\n", b"\r\n"):
            [(_, document, raw, fault)] = read(f"events.{name}", content + more + end)
            assert document is None and fault == readers._TOO_LONG and len(raw) <= 117


# Byte-order marks where they are none: only at the beginning of a file they are passed over.
MARKED = b'{"d":"\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf\xef\xbb\xbf"}'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    lines=st.lists(
        st.sampled_from([b'{"a":1}', b"", b"  ", b'{"b":"\xc3\xa9"}', b"torn", b'{"c":"\xff"}', b"[1]", MARKED])
    ),
    end=st.sampled_from([b"\n", b"\r\n"]),
    last=st.booleans(),
    piece=st.integers(1, 40),
)
def test_where_the_pieces_of_a_file_end_does_not_matter(
    tmp_path: Path, lines: list[bytes], end: bytes, last: bool, piece: int
) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(end.join(lines) + (end if last else b""))
    whole = rows(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_PIECE_BYTES", piece)
        patch.setattr(readers, "_PIECE_ROWS", 2)
        assert rows(path) == whole
    assert [line for line, _, _, _ in whole] == [i for i, line in enumerate(lines, 1) if line.strip()]


# --- packed files ---

LINES = b"".join(b'{"n":%d}\n' % n for n in range(2000))


def packed(codec: str, content: bytes) -> bytes:
    return gzip.compress(content) if codec == "gz" else bytes(pa.Codec("zstd").compress(content, asbytes=True))


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_packed_files(read: Any, codec: str) -> None:
    assert len(read(f"events.ndjson.{codec}", packed(codec, LINES))) == 2000
    two = packed(codec, b'{"n":1}\n') + packed(codec, b'{"n":2}')
    assert good(read(f"events.ndjson.{codec}", two)) == [{"n": 1}, {"n": 2}]
    assert read(f"events.ndjson.{codec}", packed(codec, b"")) == []


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_a_packed_file_cut_anywhere_is_unreadable(read: Any, codec: str) -> None:
    whole = packed(codec, LINES[:200])
    for length in range(len(whole)):
        with pytest.raises(UnreadableFile):
            read(f"events.ndjson.{codec}", whole[:length])


@pytest.mark.parametrize("codec", ["gz", "zst"])
def test_a_file_that_is_not_packed_as_its_name_says_is_unreadable(read: Any, codec: str) -> None:
    with pytest.raises(UnreadableFile):
        read(f"events.ndjson.{codec}", LINES)


def test_a_gzip_file_with_a_wrong_checksum_is_unreadable(read: Any) -> None:
    whole = bytearray(gzip.compress(LINES))
    assert int.from_bytes(whole[-8:-4], "little") == zlib.crc32(LINES)
    whole[-8] ^= 1
    with pytest.raises(UnreadableFile):
        read("events.ndjson.gz", bytes(whole))


# --- CSV ---


def test_csv_cells_become_json_by_the_contract(read: Any) -> None:
    header = ",".join(TYPES)
    found = read(
        "events.csv",
        "\r\n".join(
            [
                "\ufeff" + header + ",extra",
                'a,b,c,+007,1.50,TRUE,2025-01-01,"{""x"": 1}","[""u""]",1e3,[1],5',
                '5,5,5,5.0,-3,yes, t,"""text""",nonsense,-,"{""x"":NaN}",true',
                ",,,-0,abc,False,,[],,00,x,",
            ]
        ).encode(),
    )
    assert good(found) == [
        {
            "text": "a",
            "id": "b",
            "uuid": "c",
            "int": 7,
            "decimal": 1.5,
            "bool": True,
            "timestamp": "2025-01-01",
            "object": {"x": 1},
            "uuid_list": ["u"],
            "number_or_text": 1000.0,
            "any": [1],
            "extra": "5",
        },
        {
            "text": "5",
            "id": "5",
            "uuid": "5",
            "int": "5.0",
            "decimal": -3,
            "bool": "yes",
            "timestamp": " t",
            "object": "text",
            "uuid_list": "nonsense",
            "number_or_text": "-",
            "any": '{"x":NaN}',
            "extra": "true",
        },
        {"int": 0, "decimal": "abc", "bool": False, "object": [], "number_or_text": 0, "any": "x"},
    ]
    assert found[0][2].startswith("a,b,c,+007")


def test_csv_quoted_cells_hold_commas_quotes_and_line_ends(read: Any) -> None:
    found = read("events.csv", b'text,id\n"a, ""b""\r\nc\n\nd",1\n"",2\r\n\r\nlast,3')
    assert [(line, document) for line, document, _, _ in found] == [
        (1, {"text": 'a, "b"\r\nc\n\nd', "id": "1"}),
        (2, {"id": "2"}),
        (3, {"text": "last", "id": "3"}),
    ]
    assert found[0][2] == '"a, ""b""\r\nc\n\nd",1'


@pytest.mark.parametrize(
    "record", [b"one", b"1,2,3", b'"a"b,1', b'a"b,1', b'"open,1', b'1,"open', b"\xff,1", b"a\rb,1"]
)
def test_a_malformed_record_is_kept_and_costs_no_other_record(read: Any, record: bytes) -> None:
    found = read("events.csv", b"text,id\nx,1\n" + record + b"\ny,2\n")
    assert good(found) == [{"text": "x", "id": "1"}, {"text": "y", "id": "2"}]
    [(number, raw, fault)] = bad(found)
    assert (number, raw) == (2, record.decode(errors="replace"))
    assert fault


def test_a_quote_left_open_at_the_end_of_the_file(read: Any) -> None:
    found = read("events.csv", b'text,id\nx,1\ny,"2')
    assert good(found) == [{"text": "x", "id": "1"}]
    assert [(number, raw) for number, raw, _ in bad(found)] == [(2, 'y,"2')]


@pytest.mark.parametrize("content", [b"", b"\n", b"text,id", b"text,id\r\n", b"\xef\xbb\xbftext,id\n\n"])
def test_csv_without_a_record(read: Any, content: bytes) -> None:
    assert read("events.csv", content) == []


@pytest.mark.parametrize(("header", "cause"), [(b"text,id,text", "'text' twice"), (b"\xff", "UTF-8"), (b'"a', "quote")])
def test_a_csv_header_that_cannot_be_read(read: Any, header: bytes, cause: str) -> None:
    with pytest.raises(UnreadableFile, match=cause):
        read("events.csv", header + b"\n1,2,3\n")


def test_a_csv_file_whose_lines_end_with_a_carriage_return_alone(read: Any) -> None:
    """It was said to have a quote that is not closed, and has none."""
    with pytest.raises(UnreadableFile, match="a carriage return without a line feed"):
        read("events.csv", b"text,id\rx,1\ry,2\r")
    [(_, _, fault)] = bad(read("events.csv", b"text,id\nx,1\ry,2\n"))
    assert fault is not None and fault.startswith("a carriage return")


def test_a_csv_record_that_is_too_long(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "LONGEST_ROW", 50)
    monkeypatch.setattr(readers, "_PIECE_BYTES", 16)
    found = read("events.csv", b"text,id\nx,1\n" + b"y" * 500 + b",2\nz,3\n" + b"w" * 500)
    assert good(found) == [{"text": "x", "id": "1"}, {"text": "z", "id": "3"}]
    assert [(number, raw[:2]) for number, raw, _ in bad(found)] == [(2, "yy"), (4, "ww")]


CELL = st.text(st.sampled_from('ab,"\n\r é'), max_size=6)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    table=st.lists(st.tuples(CELL, CELL, CELL), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    piece=st.integers(1, 40),
    rows_at_once=st.integers(1, 3),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path: Path, table: list[tuple[str, str, str]], end: str, piece: int, rows_at_once: int
) -> None:
    out = io.StringIO()
    # Quotes around every cell or around none that can do without: the module leaves a carriage return bare.
    plain = all("\r" not in cell for row in table for cell in row)
    quoting: Any = csv.QUOTE_MINIMAL if plain else csv.QUOTE_ALL
    csv.writer(out, lineterminator=end, quoting=quoting).writerows([("text", "id", "uuid"), *table])
    path = tmp_path / "events.csv"
    path.write_bytes(out.getvalue().encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readers, "_PIECE_BYTES", piece)
        patch.setattr(readers, "_PIECE_ROWS", rows_at_once)
        found = rows(path)
    expected = [{k: v for k, v in zip(("text", "id", "uuid"), row, strict=True) if v} for row in table]
    assert [(line, document) for line, document, _, _ in found] == list(enumerate(expected, 1))


def test_csv_packed(read: Any) -> None:
    assert good(read("events.csv.gz", gzip.compress(b"text\nx\n"))) == [{"text": "x"}]


# --- Parquet ---


def parquet(path: Path, columns: dict[str, pa.Array]) -> list[Row]:
    pq.write_table(pa.table(columns), path)
    return rows(path)


def test_parquet_values_keep_their_types(tmp_path: Path) -> None:
    instant = datetime(2025, 1, 2, 3, 4, 5, 678901, UTC)
    long_ago = datetime(1960, 1, 1, tzinfo=UTC)
    found = parquet(
        tmp_path / "events.parquet",
        {
            "text": pa.array(["5", None, 'q"\u0000é']),
            "int": pa.array([2**63 - 1, None, -5]),
            "decimal": pa.array([1.5, math.nan, -math.inf]),
            "bool": pa.array([True, False, None]),
            "timestamp": pa.array([instant, None, long_ago], pa.timestamp("us", "Europe/Berlin")),
            "naive": pa.array([instant.replace(tzinfo=None)] * 3, pa.timestamp("ms")),
            "nanos": pa.array([1, -1, 999], pa.timestamp("ns")),
            "money": pa.array([Decimal("-0.50"), None, Decimal("12345678901234567890.12")], pa.decimal128(38, 2)),
            "date": pa.array([instant.date()] * 3),
            "uuid": pa.array([UUID(int=n).bytes for n in range(3)], pa.binary(16)).cast(pa.uuid()),
            "label": pa.array(["x", "y", None]).dictionary_encode(),
            "tags": pa.array([["a", None], [], None]),
            "float": pa.array([0.1, 1e20, None], pa.float32()),
            "large": pa.array(["a", "b", "c"], pa.large_string()),
            "nothing": pa.nulls(3),
        },
    )
    assert [line for line, _, _, _ in found] == [1, 2, 3]
    assert good(found) == [
        {
            "text": "5",
            "int": 2**63 - 1,
            "decimal": 1.5,
            "bool": True,
            "timestamp": "2025-01-02T03:04:05.678901Z",
            "naive": "2025-01-02T03:04:05.678Z",
            "nanos": "1970-01-01T00:00:00.000000Z",
            "money": -0.5,
            "date": "2025-01-02",
            "uuid": str(UUID(int=0)),
            "label": "x",
            "tags": ["a", None],
            "float": 0.1,
            "large": "a",
        },
        {
            "decimal": "nan",
            "bool": False,
            "naive": "2025-01-02T03:04:05.678Z",
            "nanos": "1969-12-31T23:59:59.999999Z",
            "date": "2025-01-02",
            "uuid": str(UUID(int=1)),
            "label": "y",
            "tags": [],
            "float": 1e20,
            "large": "b",
        },
        {
            "text": 'q"\x00é',
            "int": -5,
            "decimal": "-inf",
            "timestamp": "1960-01-01T00:00:00Z",
            "naive": "2025-01-02T03:04:05.678Z",
            "nanos": "1970-01-01T00:00:00.000000Z",
            "money": 12345678901234567890.12,
            "date": "2025-01-02",
            "uuid": str(UUID(int=2)),
            "large": "c",
        },
    ]


def test_parquet_whole_doubles_stay_doubles(tmp_path: Path) -> None:
    [(_, _, raw, _)] = parquet(tmp_path / "events.parquet", {"decimal": pa.array([5.0])})
    assert raw == '{"decimal":5.0}'


def test_parquet_structs_and_maps_become_objects_without_their_nulls(tmp_path: Path) -> None:
    inner = pa.struct({"x": pa.int64(), "y": pa.list_(pa.struct({"z": pa.list_(pa.list_(pa.string()))}))})
    found = parquet(
        tmp_path / "events.parquet",
        {
            "object": pa.array([{"x": 1, "y": None}, {"x": None, "y": [{"z": [["a"], None]}, None]}, None], inner),
            "map": pa.array([[("k", 1), ('q"', None)], [], None], pa.map_(pa.string(), pa.int64())),
        },
    )
    assert good(found) == [
        {"object": {"x": 1}, "map": {"k": 1}},
        {"object": {"y": [{"z": [["a"], None]}, None]}, "map": {}},
        {},
    ]


def test_parquet_text_for_an_object_holds_json(tmp_path: Path) -> None:
    found = parquet(
        tmp_path / "events.parquet",
        {
            "object": pa.array(['{"a": [1, 2]}', "nonsense", '{"a":NaN}', '"text"']),
            "text": pa.array(["{}", "1", "null", "x"]),
        },
    )
    assert good(found) == [
        {"object": {"a": [1, 2]}, "text": "{}"},
        {"object": "nonsense", "text": "1"},
        {"object": '{"a":NaN}', "text": "null"},
        {"object": "text", "text": "x"},
    ]


def test_parquet_bytes_are_text_where_they_are_utf8(tmp_path: Path) -> None:
    found = parquet(tmp_path / "events.parquet", {"text": pa.array(["é".encode(), b"\xff\x00", None], pa.binary())})
    assert good(found) == [{"text": "é"}, {}]
    assert [(line, fault) for line, _, fault in bad(found)] == [(2, "text: bytes that are not valid UTF-8")]


def test_parquet_bytes_for_an_object_hold_json(tmp_path: Path) -> None:
    """Writers that do not mark text as UTF-8 had every payload rejected: it was taken for a string."""
    texts = [b'{"a": [1, 2]}', b"nonsense", b'{"a":NaN}', b"\xff", None]
    found = parquet(tmp_path / "events.parquet", {"object": pa.array(texts, pa.binary())})
    assert good(found) == [{"object": {"a": [1, 2]}}, {"object": "nonsense"}, {"object": '{"a":NaN}'}, {}]
    assert [line for line, _, _ in bad(found)] == [4]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
@pytest.mark.parametrize("zone", [None, "America/New_York"])
def test_parquet_timestamps_beyond_what_text_can_say_become_the_first_or_the_last(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    """Their text had five digits for the year, or BC behind it: no timestamp, where it is one that is out of range."""
    second = {"s": 1, "ms": 1000, "us": 1_000_000}[unit]
    seconds = [-63_500_000_000, -62_135_596_801, -62_135_596_800, 253_402_300_800, 316_516_204_800]
    instants = pa.array([n * second for n in seconds], pa.int64()).cast(pa.timestamp(unit, zone))
    found = parquet(tmp_path / "events.parquet", {"timestamp": instants, "nested": pa.array([[n] for n in instants])})
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
    assert [row["timestamp"] for row in good(found)] == [first, first, first, last, last]
    assert all(row["nested"] == [row["timestamp"]] for row in good(found))


def test_parquet_numbers_that_are_none_are_absent_but_in_known_fields(tmp_path: Path) -> None:
    """NaN in a field that nobody knows came into the payload as the text "nan"; in a known one it is invalid."""
    odd = pa.array([math.nan, math.inf, 1.5])
    found = parquet(
        tmp_path / "events.parquet",
        {
            "decimal": odd,
            "unknown": odd,
            "object": pa.array([{"decimal": n.as_py(), "x": n.as_py(), "y": [n.as_py()]} for n in odd]),
            "map": pa.array([[("k", n.as_py())] for n in odd], pa.map_(pa.string(), pa.float64())),
        },
    )
    assert good(found) == [
        {"decimal": "nan", "object": {"decimal": "nan", "y": [None]}, "map": {}},
        {"decimal": "inf", "object": {"decimal": "inf", "y": [None]}, "map": {}},
        {"decimal": 1.5, "unknown": 1.5, "object": {"decimal": 1.5, "x": 1.5, "y": [1.5]}, "map": {"k": 1.5}},
    ]


LONG = Decimal("12345678901234567890123456789012345678901")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"d": pa.array([LONG], pa.decimal256(50, 0))}), "d: a decimal of 50 digits; at most 38 can be read"),
        (pa.table({"a": pa.array([{"d": LONG}], pa.struct({"d": pa.decimal256(41, 0)}))}), "d: a decimal of 41 digits"),
        (pa.table([[1], ["a"]], names=["text", "text"]), "the column 'text' twice"),
        (pa.table([[1], ["a"]], names=["text", "Text"]), "the column 'Text' twice"),
        (pa.table({"object": pa.array([[{"a": 1, "A": 2}]])}), "the column 'A' twice"),
    ],
)
def test_a_parquet_file_that_the_engine_would_read_as_something_else(
    tmp_path: Path, table: pa.Table, message: str
) -> None:
    """A decimal of more than 38 digits came as a wrong double; of two columns of one name the second was renamed."""
    path = tmp_path / "events.parquet"
    pq.write_table(table, path)
    with pytest.raises(UnreadableFile, match=message):
        rows(path)


def test_parquet_names_in_different_groups_may_be_the_same(tmp_path: Path) -> None:
    inner = {"a": 1, "b": [{"a": 2, "b": {"a": 3}}]}
    found = parquet(tmp_path / "events.parquet", {"a": pa.array([inner]), "b": pa.array([inner]), "element": [1]})
    assert good(found) == [{"a": inner, "b": inner, "element": 1}]


def test_parquet_is_read_in_pieces_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_PIECE_ROWS", 2048)
    found = parquet(tmp_path / "events.parquet", {"int": pa.array(range(300_000))})
    assert [document["int"] for document in good(found)] == list(range(300_000))
    assert [line for line, _, _, _ in found] == list(range(1, 300_001))


def test_parquet_odd_names(tmp_path: Path) -> None:
    found = parquet(
        tmp_path / "events-[1]*?'.parquet", {'it\'s "odd"': pa.array([1]), "file_row_number": pa.array([2])}
    )
    assert good(found) == [{'it\'s "odd"': 1, "file_row_number": 2}]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", b"PAR1" + b"x" * 100 + b"PAR1"])
def test_a_parquet_file_that_is_none(read: Any, content: bytes) -> None:
    with pytest.raises(UnreadableFile):
        read("events.parquet", content)


def test_a_parquet_file_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    parquet(path, {"int": pa.array(range(1000))})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UnreadableFile):
        rows(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="No such file"):
        rows(tmp_path / "events.ndjson")


def test_the_rows_of_a_batches_stream_are_typed_by_the_batch(tmp_path: Path) -> None:
    stream = Stream(
        system="assessment",
        name="batches",
        kind="batches",
        envelope=(Field(name="seq", type="int"),),
        identity=("seq",),
        batch=(Field(name="user_id", type="uuid"), Field(name="events", type="list")),
        list_field="events",
    )
    path = tmp_path / "batches.csv"
    path.write_text('seq,user_id,events\n5,u,"[{""seq"": 1}]"\n')
    [table] = read_documents(duckdb.connect(), stream, path)
    assert json.loads(table["doc"][0].as_py()) == {"seq": "5", "user_id": "u", "events": [{"seq": 1}]}


# --- what nobody should deliver


@pytest.mark.found("hostile extracts")
def test_parquet_rows_keep_their_numbers_whatever_the_row_groups(tmp_path: Path) -> None:
    """With several threads the rows of small groups came in any order.

    Their numbers, and with them which copy of an event stays, differed from load to load.
    """
    path = tmp_path / "events.parquet"
    texts = ["{" + ",".join(f'"k{i}":{n}' for i in range(n % 7 * 40)) + "}" for n in range(60)]
    pq.write_table(pa.table({"int": pa.array(range(60)), "object": texts}), path, row_group_size=1)
    for _ in range(5):
        con = duckdb.connect(config={"threads": 8})
        [table] = read_documents(con, STREAM, path)
        found = [(row["source_line"], json.loads(row["raw"])["int"]) for row in table.to_pylist()]
        assert found == [(n + 1, n) for n in range(60)]


@pytest.mark.found("hostile extracts")
def test_long_parquet_rows_are_read_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text of a dictionary that stands in every row was written out for all of them at once: 5 GB from 543 bytes."""
    monkeypatch.setattr(readers, "_PIECE_BYTES", 100_000)
    monkeypatch.setattr(readers, "LONGEST_ROW", 60_000)
    sizes = [10, 30_000, 10, 59_000, 70_000, 10, 30_000]
    texts = pa.array(["é" * (size // 2) for size in sizes])
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"text": texts, "int": pa.array(range(7)), "any": [b"x", b"\xff", *[b"x"] * 5]}), path)
    tables = list(read_documents(duckdb.connect(), STREAM, path))
    assert [[row["source_line"] for row in table.to_pylist()] for table in tables] == [[1, 3, 6], [2, 4], [5, 7]]
    by_line = {row["source_line"]: row for table in tables for row in table.to_pylist()}
    assert [json.loads(by_line[n + 1]["raw"])["text"] for n in (0, 1, 3, 6)] == [texts[n].as_py() for n in (0, 1, 3, 6)]
    assert by_line[2]["fault"] == "any: bytes that are not valid UTF-8"
    assert by_line[5]["fault"].startswith("longer than")
    assert json.loads(by_line[5]["raw"]) == {"text": "é" * 1000}
    assert [n for n, row in by_line.items() if row["fault"] is None] == [1, 3, 6, 4, 7]


def test_long_parquet_rows_beside_a_column_of_the_engines_name(tmp_path: Path) -> None:
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"text": ["x" * 50_000], "file_row_number": [7]}), path)
    with pytest.raises(UnreadableFile, match="file_row_number"):
        rows(path)


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("name", ["events.ndjson.gz", "events.ndjson.zst", "events.csv.gz", "events.parquet"])
def test_a_file_that_stands_for_very_much_more_is_refused(
    read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A few kilobytes filled the disk, or took the night: whatever a packed file unpacked to was read."""
    content = b"text\n" + b"x" * 10_000_000
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": pa.array(["x" * 10_000]).take(pa.array([0] * 1000))}), tmp_path / name)
        content = (tmp_path / name).read_bytes()
    else:
        content = packed(name.rpartition(".")[2], content)
    read(name, content)
    monkeypatch.setattr(readers, "_MOST_UNPACKED", 9_000_000)
    with pytest.raises(UnreadableFile, match="unpacks to more than 200 times its size"):
        read(name, content)
    monkeypatch.setattr(readers, "_MOST_TIMES", 1_000_000)
    read(name, content)


def test_very_many_parquet_rows_of_nothing_are_refused_before_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_MOST_UNPACKED", 1_000_000)
    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"text": pa.nulls(200_000, pa.string())}), path)
    with pytest.raises(UnreadableFile, match="unpacks to more than"):
        next(read_documents(duckdb.connect(), STREAM, path))


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("line", [b"", b"\r", b" ", b"x", b"\xff"])
def test_very_many_short_lines_take_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    """A piece of short lines was laid out line by line in one go: one bad byte, and it was gigabytes."""
    monkeypatch.setattr(readers, "_PIECE_ROWS", 1000)
    monkeypatch.setattr(readers, "_PIECE_BYTES", 1_000_000)
    path = tmp_path / "events.ndjson"
    path.write_bytes((line + b"\n") * 200_000 + b'{"a":1}\n')
    tracemalloc.start()
    try:
        tables = read_documents(duckdb.connect(), STREAM, path)
        found = [(len(table), table["source_line"][-1].as_py()) for table in tables if len(table)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[-1][1] == 200_001
    assert sum(rows for rows, _ in found) == (1 if not line.strip() else 200_001)
    assert max(rows for rows, _ in found) <= 1000
    assert peak < 5_000_000


def test_blank_lines_of_a_csv_file_cost_little(read: Any) -> None:
    found = read("events.csv", b"\r\n\n" * 1_000_000 + b"text\n" + b"\n" * 1_000_000 + b"x\r\n" + b"\n\r\n" * 500_000)
    assert [(line, document) for line, document, _, _ in found] == [(1, {"text": "x"})]


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("first", ["Kim Possible", "kim@example.org"])
def test_a_file_without_a_header_tells_nobody(read: Any, first: str) -> None:
    """The first row was taken for the header, and what stands in it twice was told in the message."""
    with pytest.raises(UnreadableFile) as caught:
        read("events.csv", f"{first},1,{first}\n".encode())
    assert str(caught.value) == "the header names a column twice: columns 1 and 3"


@pytest.mark.found("hostile extracts")
def test_a_header_of_very_many_columns(read: Any, tmp_path: Path) -> None:
    """Names were compared each with each: a header of a megabyte took hours."""
    names = [f"c{n}" for n in range(200_000)]
    with pytest.raises(UnreadableFile, match="200,000 columns; at most 5,000 are read"):
        read("events.csv", ",".join(names).encode())
    pq.write_table(pa.table({name: [1] for name in names[:5001]}), tmp_path / "events.parquet")
    with pytest.raises(UnreadableFile, match=r"5,00\d columns; at most 5,000 are read"):
        rows(tmp_path / "events.parquet")
    pq.write_table(pa.table({name: ["x"] for name in names[:1500]}), tmp_path / "events.parquet")
    assert len(good(rows(tmp_path / "events.parquet"))[0]) == 1500


def test_a_parquet_column_with_a_nul_in_its_name(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["x"], "a\x00b": [1]}), tmp_path / "events.parquet")
    with pytest.raises(UnreadableFile, match="the name of a column holds a NUL character"):
        rows(tmp_path / "events.parquet")


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("cell", ["NaN", "nan", "-Infinity", "inf", " NaN"])
def test_a_cell_that_only_the_engine_takes_for_json_is_text(read: Any, tmp_path: Path, cell: str) -> None:
    """NaN in a cell of an open field cost the whole extract: it went into the document bare."""
    for field in ("any", "object", "uuid_list"):
        assert good(read("events.csv", f"{field}\n{cell}\n".encode())) == [{field: cell}]
        assert good(parquet(tmp_path / "events.parquet", {field: pa.array([cell])})) == [{field: cell}]


def test_a_parquet_row_at_the_limit_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_LARGE_ROW", readers._ROW_BYTES + 10)
    texts = ["x" * size for size in (8, 9, 10, 11, 12, 10, 11)]
    found = parquet(tmp_path / "events.parquet", {"text": pa.array(texts)})
    assert sorted((line, document["text"]) for line, document, _, _ in found) == list(enumerate(texts, 1))
