"""Small files that stand for very large ones, and lines that would come to very much.

What belongs here: bombs that are quick to make. What becomes of them is in the test; that each ends in time and in
bounded memory is the rule.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

MB = 1024 * 1024
DEEP = 300_000
STUDY, ASSESSMENT = "study/2026-03-02", "assessment/2026-03-02"
EVENT = {
    "event_id": "10000000-0000-4000-8000-000000000001",
    "event_type": "topic_explored",
    "event_ts": "2026-03-02T10:00:00Z",
    "user_id": "00000000-0000-4000-8000-000000000001",
    "topic_id": "20000000-0000-4000-8000-000000000001",
}


def _again(part: bytes, total: int) -> Iterator[bytes]:
    block = part * max(1, MB // len(part))
    for _ in range(total // len(block)):
        yield block


def _gz(path: Path, *parts: bytes, then: Iterator[bytes]) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
        for part in then:
            file.write(part)


def _zst(path: Path, *parts: bytes, then: Iterator[bytes]) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        for part in parts:
            file.write(part)
        for part in then:
            file.write(part)


def one_line_of_zeros(landing: Path) -> None:
    """Below what is refused: one line, malformed."""
    _gz(landing / STUDY / "events.ndjson.gz", then=_again(b"\0", 500 * MB))


def gigabytes_of_zeros(landing: Path) -> None:
    _zst(landing / STUDY / "events.ndjson.zst", then=_again(b"\0", 4096 * MB))


def only_line_ends(landing: Path) -> None:
    _zst(landing / STUDY / "events.ndjson.zst", json.dumps(EVENT).encode(), then=_again(b"\n", 100 * MB))


def one_bad_byte_among_short_lines(landing: Path) -> None:
    _zst(landing / STUDY / "events.ndjson.zst", b"\xff\n", then=_again(b" \n", 4 * MB))


def long_lines(landing: Path) -> None:
    """Each just short enough to be kept whole."""
    _zst(landing / STUDY / "events.ndjson.zst", then=_again(b"x" * (15 * MB) + b"\n", 10 * (15 * MB + 1)))


def an_endless_cell(landing: Path) -> None:
    _gz(landing / STUDY / "events.csv.gz", b'event_id,event_type\n"', then=_again(b"x", 500 * MB))


def cells_without_end(landing: Path) -> None:
    (landing / STUDY / "events.csv").write_bytes(b"event_id,event_type\n" + (b'"",' * (2 * MB) + b"\n") * 2)


def a_header_without_end(landing: Path) -> None:
    (landing / STUDY / "events.csv").write_bytes(b",".join(b"c%d" % n for n in range(1_000_000)) + b"\n")


def a_text_in_every_row(landing: Path) -> None:
    """3 GB of texts in half a kilobyte."""
    texts = pa.array(["x" * MB]).dictionary_encode().take(pa.array([0] * 3000))
    pq.write_table(pa.table({"event_id": texts}), landing / STUDY / "events.parquet", compression="zstd")


def long_parquet_rows(landing: Path) -> None:
    table = pa.table({"event_id": ["x" * MB] * 150})
    pq.write_table(table, landing / STUDY / "events.parquet", compression="zstd", use_dictionary=False)


def prefixes(landing: Path) -> None:
    """Each text a little longer than what it shares with the one before."""
    table = pa.table({"event_id": [f"{'x' * 100_000}{n}" for n in range(800)]})
    encoding = {"column_encoding": {"event_id": "DELTA_BYTE_ARRAY"}, "use_dictionary": False}
    pq.write_table(table, landing / STUDY / "events.parquet", compression="zstd", **encoding)


def rows_of_nothing(landing: Path) -> None:
    table = pa.table({"event_id": pa.nulls(20_000_000, pa.string())})
    pq.write_table(table, landing / STUDY / "events.parquet", compression="zstd")


def a_list_of_millions(landing: Path) -> None:
    table = pa.table({"odd": pa.array([[None] * 5_000_000] * 4, pa.list_(pa.int8()))})
    pq.write_table(table, landing / STUDY / "events.parquet", compression="zstd")


def a_batch_with_each_of_its_events(landing: Path) -> None:
    line = b'{"more":"' + b"x" * MB + b'","events":[' + b"1," * 2000 + b"1]}\n"
    (landing / ASSESSMENT / "batches.ndjson").write_bytes(line)


def brackets(landing: Path) -> None:
    text = json.dumps(EVENT)[:-1].encode() + b',"deep":' + b"[" * DEEP + b"]" * DEEP + b"}\n"
    (landing / STUDY / "events.ndjson").write_bytes(text + b"[" * DEEP + b"\n" + b'{"a":' * DEEP + b"\n")


def names_without_end(landing: Path) -> None:
    text = json.dumps(EVENT | {f"odd{n}": n for n in range(200_000)})
    (landing / STUDY / "events.ndjson").write_text(f"{text}\n")


def a_word_without_end(landing: Path) -> None:
    text = json.dumps(EVENT | {"user_id": "a" * (2 * MB) + " ?", "more": "b" * (2 * MB) + " ?"})
    (landing / STUDY / "events.ndjson").write_text(f"{text}\n")


def a_number_without_end(landing: Path) -> None:
    """Digits, and an exponent of them."""
    number, power = "9" * MB, "1e" + "9" * MB
    lines = [json.dumps(EVENT)[:-1] + f',"n":{n},"properties":{{"current_mastery":{n}}}}}' for n in (number, power)]
    (landing / STUDY / "events.ndjson").write_text("\n".join(lines))


def a_manifest_without_end(landing: Path) -> None:
    (landing / STUDY / "events.ndjson").write_text(json.dumps(EVENT) + "\n")
    with (landing / STUDY / "manifest.json").open("wb") as file:
        file.write(b'{"files":[' + b"[]," * (30 * MB))


Bomb = Callable[[Path], None]

# What is read of each, and what becomes of it: (rows, accepted), or a part of the message.
BOMBS: dict[Bomb, tuple[int, int] | str] = {
    one_line_of_zeros: (1, 0),
    gigabytes_of_zeros: "unpacks to more than 200 times its size",
    only_line_ends: (1, 1),
    one_bad_byte_among_short_lines: (1, 0),
    long_lines: (10, 0),
    an_endless_cell: (1, 0),
    cells_without_end: (2, 0),
    a_header_without_end: "1,000,000 columns",
    a_text_in_every_row: "unpacks to more than 200 times its size",
    long_parquet_rows: (150, 0),
    prefixes: (800, 0),
    rows_of_nothing: "unpacks to more than 200 times its size",
    a_list_of_millions: (4, 0),
    a_batch_with_each_of_its_events: (2001, 0),
    brackets: (3, 1),
    names_without_end: (1, 1),
    a_word_without_end: (1, 0),
    a_number_without_end: (2, 0),
    a_manifest_without_end: "manifest.json: longer than",
}
