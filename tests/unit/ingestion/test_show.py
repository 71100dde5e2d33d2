"""A row as it lies in the landing zone, found by file and line."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.__main__ import main
from ingestion.extracts import ExtractError
from ingestion.home import Home
from ingestion.show import find_place
from tests.unit.ingestion.conftest import Put, event, load_all, ndjson

DAY = "2025-01-02"
ROWS = [event(n, properties={"topic_name": f"name {n}"}) for n in (1, 2, 3)]


@pytest.fixture(autouse=True)
def _env(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))


def as_csv(rows: list[dict[str, object]]) -> bytes:
    lines = [",".join(rows[0])]
    for row in rows:
        cells = [json.dumps(value) if isinstance(value, dict) else str(value) for value in row.values()]
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\r\n".join([*lines, ""]).encode()


def as_parquet(rows: list[dict[str, object]]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("suffix", "write"),
    [
        ("ndjson", lambda rows: ndjson(*rows)),
        ("ndjson.gz", lambda rows: gzip.compress(ndjson(*rows))),
        ("ndjson.zst", lambda rows: pa.compress(ndjson(*rows), "zstd", asbytes=True)),
        ("csv", as_csv),
        ("csv.gz", lambda rows: gzip.compress(as_csv(rows))),
        ("parquet", as_parquet),
    ],
)
def test_the_row_of_the_line_is_shown_of_every_format(
    suffix: str,
    write: Callable[[list[dict[str, object]]], bytes],
    home: Home,
    put: Put,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = f"study/{DAY}/events.{suffix}"
    put(place, write(ROWS))
    load_all(home)
    assert main(["show", place, "2"]) == 0
    printed = capsys.readouterr()
    shown = printed.out.splitlines()
    assert json.loads(shown[-1]) == ROWS[1]
    assert len(shown) == (2 if "csv" in suffix else 1)
    assert ROWS[1]["event_id"] in shown[0]
    assert printed.err == ""


def test_an_event_of_a_batch_is_shown_by_its_index(home: Home, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"assessment/{DAY}/batches.ndjson"
    put(place, ndjson({"events": [{"seq": 1}, {"seq": 2}]}, "torn {", {"events": 7}))
    load_all(home)
    assert main(["show", place, "1", "1"]) == 0
    assert capsys.readouterr().out == '{"seq":2}\n'
    assert main(["show", place, "1", "2"]) == 1
    assert capsys.readouterr().err == f"{place}: row 1 has no event 2; it has 2, and the first one is 0\n"
    assert main(["show", place, "2", "0"]) == 0
    assert capsys.readouterr().out == "torn {\n"


def test_a_file_that_changed_is_told_of(home: Home, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    """Another time alone is no change: then the hash decides, as it does for the loader."""
    place = f"study/{DAY}/events.ndjson"
    path = put(place, ndjson(*ROWS))
    (load,) = load_all(home)
    os.utime(path, (0, 0))
    assert main(["show", place, "1"]) == 0
    assert capsys.readouterr().err == ""
    put(place, ndjson(*reversed(ROWS)))
    assert main(["show", place, "1"]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out) == ROWS[2]
    assert f"{place}: changed since load {load.load_id} took it" in printed.err


def test_what_is_not_there_is_said(home: Home, put: Put, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"study/{DAY}/events.ndjson"
    path = put(place, ndjson(*ROWS))
    (load,) = load_all(home)
    put(f"study/{DAY}/events-new.ndjson", ndjson(ROWS[0]))

    def said(*arguments: str) -> str:
        assert main(["show", *arguments]) == 1
        return capsys.readouterr().err

    assert said(place, "4") == f"{place}: there is no row 4\n"
    assert "events-new.ndjson: no load took this file" in said(f"study/{DAY}/events-new.ndjson", "1")
    path.unlink()
    assert said(place, "1") == f"{place}: no such file; the lake keeps what load {load.load_id} took from it\n"
    assert said("study/../events.ndjson", "1").startswith("study/../events.ndjson: not the name of an extract's file")
    assert said(f"study/{DAY}/notes.txt", "1").startswith(f"study/{DAY}/notes.txt: not the name of")
    assert said(str(Path("/etc/passwd")), "1").startswith("/etc/passwd: not the name of")


@pytest.mark.found("fresh eyes")
def test_what_may_not_be_opened_is_not_shown(
    home: Home, put: Put, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pipe held the command up for ever, and a link showed a file that lies outside of the landing zone."""
    pipe = put(f"study/{DAY}/events.ndjson", b"")
    pipe.unlink()
    os.mkfifo(pipe)
    assert main(["show", f"study/{DAY}/events.ndjson", "1"]) == 1
    assert capsys.readouterr().err == f"study/{DAY}/events.ndjson: not a regular file\n"
    outside = tmp_path / "outside.ndjson"
    outside.write_text("{}\n")
    (pipe.parent / "events-2.ndjson").symlink_to(outside)
    assert main(["show", f"study/{DAY}/events-2.ndjson", "1"]) == 1
    told = capsys.readouterr()
    assert told.err == f"study/{DAY}/events-2.ndjson: a link that leads out of the landing zone\n"
    assert told.out == ""


@pytest.mark.found("fresh eyes")
def test_streams_of_a_database_are_told_apart(home: Home) -> None:
    """Of two queries the first in the file was shown for both, and a file only if the URLs of its system were known."""
    events = {"kind": "database", "url": "sqlite:////app.db", "received_at": "at", "from": DAY, "query": "select 1"}
    topics = {"kind": "database", "url": "sqlite:////app.db", "query": "select 2"}
    home.root.mkdir(parents=True, exist_ok=True)
    home.sources.write_text(json.dumps({"study": {"events": events, "topics": topics}}))
    for stream in ("events", "topics"):
        assert find_place(home, f"study/{DAY}/sqlite:query:{stream}").stream.name == stream

    for source in (events, topics):
        source |= {"table": "t"}
        del source["query"]
    home.sources.write_text(json.dumps({"study": {"events": events, "topics": topics}}))
    with pytest.raises(ExtractError, match=r"sqlite:t: events and topics are read from there"):
        find_place(home, f"study/{DAY}/sqlite:t")

    home.sources.write_text(json.dumps({"study": {"events": events | {"url": "${NO_SUCH_VARIABLE}"}}}))
    assert find_place(home, f"study/{DAY}/topics.csv").database is None
    with pytest.raises(ExtractError, match="the environment variable NO_SUCH_VARIABLE is not set"):
        find_place(home, f"study/{DAY}/sqlite:t")
