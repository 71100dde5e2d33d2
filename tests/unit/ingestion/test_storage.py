"""A bucket as landing zone and as lake, on a real S3 server: what it promises, and what it refuses."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import USERS, event, load_all, ndjson

from ingestion import __main__ as cli
from ingestion import ledger, storage
from ingestion.erasure import erase, erased_subjects
from ingestion.extracts import ExtractError, discover
from ingestion.home import Home
from ingestion.lake import Lake, attach_lake, find_stream
from ingestion.lake_on_spark import show_lake
from ingestion.load import Loader, load_extract, pending
from ingestion.retention import delete_quarantined_text
from ingestion.sources import BucketSource, SourcesError, load_sources
from ingestion.storage import BLOCK, Bucket, BucketPath, ObjectStat, StorageError, lake_of, landing_of, stat_of
from tests.object_store import BUCKET, KEY_ID, S3, SECRET, empty, s3_server

DAY = "2025-01-02"
EVENTS = f"study/{DAY}/events.ndjson"
LANDING, LAKE = f"s3://{BUCKET}/landing", f"s3://{BUCKET}/a/lake"


@pytest.fixture(scope="module")
def server() -> Iterator[S3]:
    with s3_server() as started:
        yield started


@pytest.fixture
def s3(server: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    yield server
    empty(server)


@pytest.fixture
def put(s3: S3) -> Callable[[str, bytes], None]:
    return lambda name, content: s3.put(f"landing/{name}", content)


@pytest.fixture
def home(s3: S3, tmp_path: Path) -> Home:
    """A home whose landing zone and lake are in the bucket; what is throttled is asked for three times."""
    made = Home(tmp_path / "it's a höme #1 [x]")
    configure(made, landing=LANDING, lake=LAKE)
    return made


def configure(home: Home, **places: str) -> None:
    home.root.mkdir(exist_ok=True)
    home.sources.write_text("".join(f"{name}:\n  url: {url}\n  retries: 2\n" for name, url in places.items()))


def query(home: Home, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        attach_lake(con, home)
        return con.execute(sql).fetchall()


# Loading


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "ndjson": lambda rows: ndjson(*rows),
    "ndjson.gz": lambda rows: gzip.compress(ndjson(*rows)),
    "ndjson.zst": lambda rows: pa.compress(ndjson(*rows), "zstd", asbytes=True),
    "csv": lambda rows: _csv(rows),
    "parquet": lambda rows: _parquet(rows),
}


def _csv(rows: list[dict[str, Any]]) -> bytes:
    lines = [",".join(rows[0])]
    for row in rows:
        cells = [json.dumps(cell) if isinstance(cell, dict) else cell for cell in row.values()]
        lines.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\n".join(lines).encode()


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    table = pa.Table.from_pylist([{**row, "properties": json.dumps(row["properties"])} for row in rows])
    out = io.BytesIO()
    pq.write_table(table, out, row_group_size=7)
    return out.getvalue()


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_bucket_gives_the_lake_what_a_folder_gives(
    suffix: str, home: Home, put: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    rows = [event(n) for n in range(40)] + [event(41, event_type="unheard")]
    content = FORMATS[suffix](rows)
    name = f"study/{DAY}/events-it's #1 [x].{suffix}"
    put(name, content)
    local = Home(tmp_path / "local")
    (local.landing / name).parent.mkdir(parents=True)
    (local.landing / name).write_bytes(content)
    [load], [as_files] = load_all(home), load_all(local)
    assert (load.rows_read, load.rows_accepted, load.rejected) == (41, 40, {"unknown_event_type": 1})
    for table in ("study_events", "quarantine"):
        rows_of = f"select columns(c -> c <> 'load_id') from lake.raw.{table} order by source_line"
        assert query(home, rows_of) == query(local, rows_of)
    [recorded], [file] = load.file_set, as_files.file_set
    assert (recorded.name, recorded.size, recorded.sha256) == (file.name, file.size, file.sha256)
    assert recorded.etag and not file.etag
    assert ledger.active_loads(home) == {load.key: load}
    assert ledger.verify(home) == []
    assert pending(home) == []


def test_a_listing_is_paged(home: Home, s3: S3) -> None:
    for n in range(1100):
        s3.put(f"landing/study/{DAY}/events-{n:04}.ndjson", b"")
    s3.requests.clear()
    [extract] = discover(home).extracts
    assert [file.name for file in extract.files] == [f"events-{n:04}.ndjson" for n in range(1100)]
    pages = s3.asked("GET", "list-type=2")
    assert len(pages) == 2 and "continuation-token" in pages[1].query
    assert len(s3.requests) == 2, "objects are not asked about one by one"


def test_what_is_not_finished_is_not_read(home: Home, s3: S3) -> None:
    """Names that say so, as in a folder; an upload in parts is not there before it is complete."""
    client = s3.client
    s3.put(f"landing/study/{DAY}/events.ndjson.part", ndjson(event(1)))
    s3.put(f"landing/study/{DAY}/events.ndjson.tmp", ndjson(event(1)))
    where = {"Bucket": BUCKET, "Key": f"landing/{EVENTS}"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    part = client.upload_part(**where, UploadId=upload, PartNumber=1, Body=ndjson(event(2), event(3)))
    found = discover(home)
    assert found.extracts == []
    assert found.warnings == [
        f"study/{DAY}/events.ndjson.part: not finished; ignored",
        f"study/{DAY}/events.ndjson.tmp: not finished; ignored",
    ]
    parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)
    assert [load.rows_accepted for load in load_all(home)] == [2]


def test_what_lies_in_a_bucket_and_is_no_extract_is_told(home: Home, put: Callable[[str, bytes], None]) -> None:
    put("study/", b"")  # as consoles mark folders
    put(f"study/{DAY}/", b"")
    put("textbook/2025-01-03/", b"")
    put(EVENTS, ndjson(event(1)))
    put(f"study/{DAY}/deeper/events.ndjson", b"")
    put("study/2025-13-01/events.ndjson", b"")
    put("unheard/2025-01-02/events.ndjson", b"")
    put("study/1999-01-01/events.ndjson", b"")
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == [f"study/{DAY}/events"]
    assert sorted(found.warnings) == [
        "study/1999-01-01: a date before 2000 or after 2199; ignored",
        f"study/{DAY}/deeper: not the name of an extract file; ignored",
        "study/2025-13-01: not a folder of a date; ignored",
        "unheard: not the folder of a system; ignored",
    ]


def test_a_name_that_is_none_costs_its_folder_alone(home: Home, put: Callable[[str, bytes], None]) -> None:
    put(EVENTS, ndjson(event(1)))
    put("study/2025-01-03//events.ndjson", ndjson(event(2)))
    put("study/2025-01-04/events\t.ndjson", ndjson(event(3)))
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == [f"study/{DAY}/events"]
    told = "a name that cannot be a file's: 'landing/study/2025-01-0"
    assert [warning.partition(told)[::2] for warning in found.warnings] == [
        ("study/2025-01-03: ", "3//'; ignored"),
        ("study/2025-01-04: ", "4/events\\t.ndjson'; ignored"),
    ]


def test_a_name_that_is_none_beside_the_systems_costs_itself_alone(
    home: Home, put: Callable[[str, bytes], None]
) -> None:
    put(EVENTS, ndjson(event(1)))
    put("/textbook/2025-01-02/events.ndjson", b"{}")
    put("recommendation/2025-01-03/events.ndjson", b"{}")
    put("recommendation/2025-01-04//events.ndjson", b"{}")
    found = discover(home)
    read = ["study/2025-01-02/events", "recommendation/2025-01-03/events"]
    assert [str(extract) for extract in found.extracts] == read
    beside, below = (
        "landing: a name that cannot be a file's: 'landing//'; ignored",
        "recommendation/2025-01-04: a name that cannot be a file's: 'landing/recommendation/2025-01-04//'; ignored",
    )
    assert sorted(found.warnings) == [beside, below]
    alone = discover(home, system="recommendation")
    assert [str(extract) for extract in alone.extracts] == read[1:]
    assert alone.warnings == [below]


def test_a_name_that_hides_the_dates_of_a_system_is_an_error(
    home: Home, put: Callable[[str, bytes], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They may not be taken for gone, and published without."""
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    put(EVENTS, ndjson(event(1)))
    put("study//events.ndjson", ndjson(event(2)))
    assert cli.main(["load"]) == 1
    told = f"{LANDING}: a name that cannot be a file's: 'landing/study//'\n"
    assert capsys.readouterr().err == told


@pytest.mark.parametrize("odd", [[], ["study/2025-01-03//events.ndjson"]])
def test_what_marks_a_folder_is_not_warned_of(odd: list[str], home: Home, put: Callable[[str, bytes], None]) -> None:
    """Whether the landing zone is listed at once, or folder by folder."""
    for name in ("", "study/", f"study/{DAY}/", "study/2025-01-05", *odd):
        put(name, b"")
    put(EVENTS, ndjson(event(1)))
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == [f"study/{DAY}/events"]
    assert len(found.warnings) == len(odd)


def test_a_manifest_may_list_a_name_that_is_none(home: Home, put: Callable[[str, bytes], None]) -> None:
    put(EVENTS, ndjson(event(1)))
    put(f"study/{DAY}/manifest.json", manifest(**{"events.ndjson": (1, ndjson(event(1))), "odd\t": (0, b"")}))
    [extract] = pending(home)
    with pytest.raises(ExtractError, match=r"odd\\t: listed in manifest.json, but not there"):
        load_extract(home, extract)


def test_a_folder_under_the_name_of_a_file_is_refused(home: Home, put: Callable[[str, bytes], None]) -> None:
    put(f"study/{DAY}/events.parquet/part-0.parquet", b"")
    [extract] = pending(home)
    with pytest.raises(ExtractError, match=f"study/{DAY}/events.parquet: a directory where a file is expected"):
        load_extract(home, extract)


# Manifests


def manifest(**rows: tuple[int, bytes]) -> bytes:
    files = [
        {"name": name, "rows": count, "sha256": hashlib.sha256(content).hexdigest()}
        for name, (count, content) in rows.items()
    ]
    return json.dumps({"files": files}).encode()


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (manifest(**{"events.ndjson": (2, b"other")}), "events.ndjson: sha256"),
        (manifest(**{"events.ndjson": (3, ndjson(event(1), event(2)))}), "events.ndjson: 2 rows, but 3 in manifest"),
        (manifest(), "events.ndjson: not listed in manifest.json"),
        (b"{", "manifest.json: cannot be read as a manifest"),
        (b" " * (4 * 1024 * 1024 + 1), "manifest.json: longer than"),
    ],
)
def test_a_manifest_is_verified(listed: bytes, told: str, home: Home, put: Callable[[str, bytes], None]) -> None:
    put(EVENTS, ndjson(event(1), event(2)))
    put(f"study/{DAY}/manifest.json", listed)
    [extract] = pending(home)
    with pytest.raises(ExtractError, match=f"study/{DAY}/{told}"):
        load_extract(home, extract)
    assert not query(home, "from lake.raw.study_events")


def test_a_file_that_a_manifest_lists_is_waited_for(home: Home, put: Callable[[str, bytes], None]) -> None:
    first, second = ndjson(event(1)), ndjson(event(2))
    put(f"study/{DAY}/manifest.json", manifest(**{"events.ndjson": (1, first), "events-2.ndjson": (1, second)}))
    put(EVENTS, first)
    [extract] = pending(home)
    assert [file.missing for file in extract.files] == [True, False]
    with pytest.raises(ExtractError, match=r"events-2\.ndjson: listed in manifest.json, but not there"):
        load_extract(home, extract)
    put(f"study/{DAY}/events-2.ndjson", second)
    assert [load.rows_read for load in load_all(home)] == [2]


def test_a_manifest_is_read_once_a_version(home: Home, s3: S3) -> None:
    """Be it by processes after each other: what was read is in a file, not in memory."""
    content = ndjson(event(1))
    s3.put(f"landing/{EVENTS}", content)
    s3.put(f"landing/study/{DAY}/manifest.json", manifest(**{"events.ndjson": (1, content)}))
    for _ in range(3):
        discover(home)
    assert len(s3.asked("GET", "manifest.json")) == 1
    assert all("HTTP_IF_MATCH" in asked.headers for asked in s3.asked("GET", "manifest.json"))
    s3.put("landing/textbook/2025-01-03/manifest.json", manifest())
    discover(home, system="textbook")
    discover(home)
    assert len(s3.asked("GET", "manifest.json")) == 2
    command = "from ingestion.extracts import *; discover(Home.from_env())"
    subprocess.run(
        [sys.executable, "-c", command], env={**os.environ, "DAYBOOK_HOME": str(home.root)}, check=True, timeout=60
    )
    assert len(s3.asked("GET", "manifest.json")) == 2
    for spoilt in ("", "[1]", '{"a": 1}', '{"a": ["b"]}'):
        home.manifests.write_text(spoilt)
        assert len(discover(home).extracts) == 1
    assert len(s3.asked("GET", "manifest.json")) == 2 + 2 * 4
    longer = manifest(**{"events.ndjson": (1, content), "events-2.ndjson": (1, content)})
    s3.put(f"landing/study/{DAY}/manifest.json", longer)
    [extract] = discover(home).extracts
    assert [file.missing for file in extract.files] == [True, False]


# Changes


def test_a_changed_object_is_loaded_again(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2)))
    load_all(home)
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2)))  # the same content has the same ETag
    assert pending(home) == []
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(3)))  # as long as before
    assert [load.rows_read for load in load_all(home)] == [2]
    assert query(home, "select event_id from lake.raw.study_events order by 1") == [
        (event(1)["event_id"],),
        (event(3)["event_id"],),
    ]
    s3.client.delete_object(Bucket=BUCKET, Key=f"landing/{EVENTS}")
    assert pending(home) == []


def test_an_object_that_changes_while_it_is_read_is_refused(home: Home, s3: S3) -> None:
    lines = ndjson(*(event(n) for n in range(9999)))
    content = lines * (3 * BLOCK // len(lines))
    s3.put(f"landing/{EVENTS}", content)
    file = landing_of(home) / EVENTS
    with file.open() as opened:
        assert opened.read(10) == content[:10]
        s3.put(f"landing/{EVENTS}", content[::-1])
        with pytest.raises(OSError, match="changed while it was read"):
            opened.read()


def test_an_etag_is_the_same_with_quotes_and_without() -> None:
    """Azure lists them bare and answers with quotes: what was loaded was taken for changed, for ever."""
    meta = {"last_modified": datetime(2025, 1, 2, 3, 4, 5, 678901, UTC), "size": 7}
    listed, answered = (stat_of({**meta, "e_tag": etag}) for etag in ("0x8DC", '"0x8DC"'))
    assert listed == answered == ObjectStat(7, 1735787045678901000, "0x8DC")
    assert stat_of({**meta, "e_tag": None}).etag is None


# Throttling


def test_a_throttle_that_passes_is_waited_for(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    s3.throttle("list-type=2&prefix=landing", 2)
    s3.throttle("events.ndjson", 2, "429 Too Many Requests")
    s3.throttle("_delta_log", 2)
    assert [load.rows_read for load in load_all(home)] == [1]
    assert ledger.verify(home) == []


@pytest.mark.parametrize("name", ["events.ndjson", "events.ndjson.gz", "events.parquet"])
def test_a_throttle_that_does_not_pass_fails_that_extract_alone(name: str, home: Home, s3: S3) -> None:
    rows = [event(1), event(2)]
    content = FORMATS[name.partition(".")[2]](rows)
    s3.put(f"landing/study/{DAY}/{name}", content)
    load_all(home)
    s3.put(f"landing/study/{DAY}/{name}", FORMATS[name.partition(".")[2]]([event(1), event(2), event(3)]))
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(4)))
    s3.throttle(f"landing/study/{DAY}/{name}", 1000)
    with Loader(home) as loader:
        outcomes = {str(extract): outcome for extract, outcome in loader.load_all(pending(home))}
    failed = outcomes.pop(f"study/{DAY}/events")
    assert str(failed) == f"study/{DAY}/{name}: the store answers 503, after 2 retries"
    assert [outcome.rows_read for outcome in outcomes.values()] == [1]  # type: ignore[union-attr]
    assert len(query(home, f"from lake.raw.study_events where extract_date = '{DAY}'")) == 2
    assert [failure.error for failure in ledger.failed_loads(home)] == [str(failed)]


def test_a_landing_zone_that_cannot_be_listed_is_told(
    home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is taken for gone, or loaded without the rest."""
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    s3.throttle("prefix=landing", 1000)
    assert cli.main(["load"]) == 1
    assert capsys.readouterr().err == f"{LANDING}: the store answers 503 SlowDown, after 2 retries\n"
    configure(home, landing="s3://no-such-bucket/x")
    assert cli.main(["status"]) == 1
    assert capsys.readouterr().err == "s3://no-such-bucket/x: the store answers 404 NoSuchBucket\n"


def test_a_lake_that_cannot_be_reached_is_told(
    home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(2)))
    s3.throttle("a/lake/raw/study_events/extract_date=2025-01-03", 1000)
    assert cli.main(["load"]) == 1
    told = capsys.readouterr().err
    assert f"study/2025-01-03/events: {LAKE}/raw/study_events/extract_date=2025-01-03/" in told
    assert told.endswith(".parquet: the store answers 503 SlowDown, after 2 retries\n")
    s3.throttle("a/lake/raw/study_events/extract_date=2025-01-03", 0)
    assert len(query(home, "from lake.raw.study_events")) == 1
    assert len(load_all(home)) == 1
    s3.throttle("a%2Flake", 1000)
    assert cli.main(["verify"]) == 1
    assert capsys.readouterr().err.startswith(f"{LAKE}/")


def test_a_store_that_never_answers_is_given_up(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the connection, and says nothing. Half a minute goes by before a client asks again; here a second."""
    assert timedelta(seconds=90) == storage._RETRY_FOR
    monkeypatch.setattr(storage, "_RETRY_FOR", timedelta(seconds=2))
    home.sources.write_text(f"landing: {LANDING}\nlake: {LAKE}\n")  # ten retries
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("AWS_TIMEOUT", "1s")
        for ask in (lambda: discover(home), lambda: Lake(home).ledger.stored_columns()):
            before = time.monotonic()
            with pytest.raises(StorageError, match=r"the store cannot be reached, after [1-4] retries$"):
                ask()
            assert time.monotonic() - before < 9  # of ten times a second, and pauses


# The lake


def test_files_of_the_lake_are_fetched_once(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1), "{torn"))
    load_all(home)
    s3.requests.clear()
    assert len(query(home, "from lake.raw.study_events")) == 1
    assert not [asked for asked in s3.asked("GET", ".parquet") if "_delta_log" not in asked.path]
    # On another machine, or when the copies were removed.
    for path in [*home.lake_copies.rglob("*.parquet")]:
        path.unlink()
    assert len(query(home, "from lake.raw.study_events")) == 1
    fetched = [asked.path for asked in s3.asked("GET", ".parquet") if "_delta_log" not in asked.path]
    assert len(fetched) == len(set(fetched)) == 3  # rows, quarantine, ledger
    s3.requests.clear()
    query(home, "from lake.raw.study_events")
    assert not [asked for asked in s3.asked("GET", ".parquet") if "_delta_log" not in asked.path]
    ledger.active_loads(home)


def test_a_copy_that_was_cut_short_is_fetched_again(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1), "{torn"))
    load_all(home)
    copies = [path for path in home.lake_copies.rglob("*.parquet")]
    whole = [path.read_bytes() for path in copies]
    for path, content in zip(copies, whole, strict=True):
        path.write_bytes(content[: len(content) // 2])
    assert len(query(home, "from lake.raw.study_events")) == 1
    assert [path.read_bytes() for path in copies] == whole


def test_a_log_that_is_as_it_was_is_not_read_again(home: Home, s3: S3) -> None:
    """And one that is not is: another process may have written it, or another table lies there now."""
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    table = Lake(home).raw(find_stream("study", "events"))
    [before] = table.files()
    s3.requests.clear()
    assert table.files() == [before]
    assert len(s3.requests) == 1
    other = "from ingestion.load import *; [load_extract(home, e) for home in [Home.from_env()] for e in pending(home)]"
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(2)))
    environment = {**os.environ, "DAYBOOK_HOME": str(home.root)}
    subprocess.run([sys.executable, "-c", other], env=environment, check=True)
    assert len(table.files()) == 2
    empty(s3)
    assert table.files() == []
    shutil.rmtree(home.work)
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(2)))
    load_all(home)
    assert len(table.files()) == 2 and before not in table.files()


def test_spark_is_shown_the_copies_or_the_bucket(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2)))
    load_all(home)
    shutil.rmtree(home.lake_copies)
    shown = list(show_lake(home, "parquet", str(home.root)))
    folder = home.spark / "lake" / "study_events"
    assert any(f"location '{folder}'".replace("'s a", "\\'s a") in statement for statement in shown)
    [link] = folder.rglob("*.parquet")
    assert link.is_symlink() and pq.read_table(link.resolve()).num_rows == 2
    assert any(f"from delta.`s3a://{BUCKET}/a/lake/raw/study_events`" in s for s in show_lake(home, "delta", "/there"))


def test_a_file_of_the_lake_that_is_gone_is_named(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    [key] = [key for key in s3.keys("a/lake/raw/study_events/extract_date")]
    s3.client.delete_object(Bucket=BUCKET, Key=key)
    for path in [*home.lake_copies.rglob("*.parquet")]:
        path.unlink()
    with pytest.raises(StorageError, match=f"s3://{BUCKET}/{key}: no such object"):
        query(home, "from lake.raw.study_events")
    assert not [*home.lake_copies.rglob("*.part")]


def test_what_the_disk_refuses_is_not_told_of_the_bucket(home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    shutil.rmtree(home.lake_copies)

    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # it names no file

    with monkeypatch.context() as full:
        full.setattr("ingestion.storage.os.fsync", is_full)
        with pytest.raises(OSError, match="No space left on device") as refused:
            query(home, "from lake.raw.study_events")
    assert Path(refused.value.filename).is_relative_to(home.lake_copies)
    assert not [path for path in home.lake_copies.rglob("*") if path.is_file()]
    shutil.rmtree(home.lake_copies)
    home.lake_copies.write_text("in the way")
    with pytest.raises(OSError) as refused:
        query(home, "from lake.raw.study_events")
    assert Path(refused.value.filename).is_relative_to(home.lake_copies)


def test_a_lake_moves_from_a_folder_to_a_bucket(home: Home, s3: S3) -> None:
    """As the guide says: its files are put there as they are."""
    configure(home, landing=LANDING)
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2, user=1), "{torn"))
    load_all(home)
    assert erase(home, USERS[1])
    before = query(home, "from lake.raw.study_events"), ledger.active_loads(home)
    for path in home.lake.rglob("*"):
        if path.is_file():
            s3.put(f"a/lake/{path.relative_to(home.lake).as_posix()}", path.read_bytes())
    shutil.rmtree(home.lake)
    configure(home, landing=LANDING, lake=LAKE)
    assert ledger.verify(home) == [] and pending(home) == []
    assert (query(home, "from lake.raw.study_events"), ledger.active_loads(home)) == before
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(3), event(4, user=1)))
    assert [load.rows_erased for load in load_all(home)] == [1]


def test_replaced_files_leave_bucket_and_disk(home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk with the commit after the one that replaced them, as a folder; the bucket when they are a day old."""

    def load(events: int) -> tuple[set[str], set[str]]:
        s3.put(f"landing/{EVENTS}", ndjson(*(event(n) for n in range(events))))
        load_all(home)
        lie = {key.removeprefix("a/lake/") for key in s3.keys("a/lake/raw/study_events/extract_date")}
        copies = home.lake_copies
        return lie, {path.relative_to(copies).as_posix() for path in (copies / "raw").rglob("*.parquet")}

    load(1)
    load(2)
    lie, copied = load(3)
    assert (len(lie), len(copied)) == (3, 2)  # the active one, and the one before: somebody may be reading it
    monkeypatch.setattr("ingestion.lake._LONGEST_LOAD", timedelta(days=-1))
    lie, copied = load(4)
    assert len(lie) == 2 and lie == copied


def test_what_another_home_is_about_to_commit_is_left_alone(home: Home, s3: S3, tmp_path: Path) -> None:
    """Its file is uploaded, and not in the log yet, when a commit to the same table sweeps."""
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    other, ledger_columns = Home(tmp_path / "other"), Lake(home).ledger.columns
    configure(other, landing=LANDING, lake=LAKE)
    theirs = Lake(other).ledger
    with duckdb.connect() as con:
        row = ", ".join(f"null::{type_} as {name}" for name, type_ in ledger_columns)
        written = theirs.write(con, {}, "theirs", f"select {row}", 1)
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(2)))
    load_all(home)
    theirs.commit({}, [written], keep=lambda path: True)
    shutil.rmtree(other.lake_copies)
    assert len(Lake(other).ledger_files()) == 3


def test_commits_that_meet_do_not_lose_each_other(home: Home, s3: S3) -> None:
    """The log is written with the condition that nobody else wrote that version."""
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    written = s3.asked("PUT", "_delta_log")
    assert written and all(asked.headers.get("HTTP_IF_NONE_MATCH") == "*" for asked in written if ".json" in asked.path)


@pytest.mark.parametrize("table", ["raw/study_events", "quarantine", "ledger"])
def test_a_commit_whose_answer_was_lost_is_done(table: str, home: Home, s3: S3) -> None:
    """The store wrote the entry and answered 500; the client's second try is refused, for the entry is there."""
    s3.put(f"landing/{EVENTS}", ndjson(event(1), "{torn"))
    load_all(home)
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2), "{torn"))
    s3.lose_answers(f"a/lake/{table}/_delta_log", 1)
    [load] = load_all(home)
    assert ledger.active_loads(home) == {load.key: load}
    assert ledger.failed_loads(home) == [] and ledger.verify(home) == []


def test_a_commit_that_another_one_came_before_fails(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    table, partition = Lake(home).raw(find_stream("study", "events")), {"extract_date": DAY}
    with duckdb.connect() as con:
        written = [table.write(con, partition, name, table.rows_like([]), 0) for name in ("first", "second")]

    def meanwhile(path: str) -> bool:
        table.commit(partition, [written[0]], keep=lambda path: False)
        return False

    told = f"^s3://{BUCKET}/a/lake/raw/study_events: another commit came first; "
    with pytest.raises(StorageError, match=told):
        table.commit(partition, [written[1]], keep=meanwhile)
    assert [Path(path).stem for path in table.files()] == ["first"]


def test_an_erased_person_leaves_bucket_and_copies(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2, user=1), event(3, user=1, event_type="unheard")))
    load_all(home)
    # What a load was killed over goes at once, too, however new it is.
    [key] = s3.keys("a/lake/raw/study_events/extract_date")
    s3.put(f"{Path(key).parent}/killed.parquet", s3.client.get_object(Bucket=BUCKET, Key=key)["Body"].read())
    assert erase(home, USERS[1])
    assert len(s3.keys("a/lake/raw/study_events/extract_date")) == 1
    held = b"".join(s3.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in s3.keys("a/lake"))
    held += b"".join(path.read_bytes() for path in home.root.rglob("*") if path.is_file())
    assert USERS[1].encode() not in held
    tables = [pq.read_table(path) for path in home.lake_copies.rglob("*.parquet")]
    assert tables and not any(USERS[1] in str(table.to_pylist()) for table in tables)
    for key in s3.keys("a/lake"):
        if key.endswith(".parquet") and "_delta_log" not in key:
            body = s3.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            assert USERS[1] not in str(pq.read_table(io.BytesIO(body)).to_pylist())
    assert len(erased_subjects(home)) == 1
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(4, user=1)))
    assert [load.rows_erased for load in load_all(home)] == [1]


def test_retention_that_is_not_allowed_to_delete_is_told(home: Home, s3: S3) -> None:
    s3.put(f"landing/{EVENTS}", ndjson("{torn"))
    load_all(home)
    later = datetime.now(UTC) + timedelta(days=91)
    s3.throttle("?delete", 1000, "403 Forbidden")
    with pytest.raises(StorageError, match=rf"^s3://{BUCKET}/a/lake/quarantine/.*\.parquet: access is denied"):
        delete_quarantined_text(home, later)
    s3.throttle("?delete", 0)
    delete_quarantined_text(home, later)
    assert [key for key in s3.keys("a/lake/quarantine/system") if "without_text" not in key] == []


def test_a_load_is_withdrawn(home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    load_all(home)
    assert cli.main(["withdraw", "study", DAY]) == 1  # it lies there still
    s3.client.delete_object(Bucket=BUCKET, Key=f"landing/{EVENTS}")
    assert cli.main(["withdraw", "study", DAY]) == 0
    assert ledger.active_loads(home) == {}


def test_a_row_is_shown(
    home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    s3.put(f"landing/{EVENTS}", ndjson(event(1), event(2)))
    load_all(home)
    assert cli.main(["show", EVENTS, "2"]) == 0
    assert json.loads(capsys.readouterr().out) == event(2)
    s3.put(f"landing/{EVENTS}", ndjson(event(3), event(4)))
    assert cli.main(["show", EVENTS, "2"]) == 1
    assert "changed since load" in capsys.readouterr().err
    s3.client.delete_object(Bucket=BUCKET, Key=f"landing/{EVENTS}")
    assert cli.main(["show", EVENTS, "2"]) == 1
    assert f"{EVENTS}: no such file; the lake keeps what load" in capsys.readouterr().err


# Secrets


def test_no_credential_is_told_or_kept(
    home: Home, s3: S3, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In what is printed, in what the lake and the home hold; whether all goes well or nothing does."""
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    s3.put("landing/study/2025-01-03/events.ndjson", ndjson(event(2)))
    s3.throttle("2025-01-03/events", 1000, "403 Forbidden")
    assert cli.main(["load"]) == 1
    assert cli.main(["status"]) == 0
    s3.throttle("a/lake", 1000)
    assert cli.main(["status"]) == 1
    s3.throttle("a/lake", 0)
    told = "".join(capfd.readouterr())
    held = [path.read_bytes() for path in home.root.rglob("*") if path.is_file()]
    held += [s3.client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in s3.keys("a/lake")]
    shown = f"{load_sources(home)} {landing_of(home)!r} {lake_of(home)!r} {Lake(home).ledger!r}"
    for secret in (KEY_ID, SECRET):
        assert secret not in told + shown
        assert not any(secret.encode() in content for content in held)


def test_options_of_one_bucket(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Landing and lake of two owners: what the environment says is for both, unless the file says otherwise."""
    home = Home(tmp_path)
    home.sources.write_text(f"""
landing:
  url: s3://${{MY_BUCKET}}/landing
  options: &mine
    endpoint: {s3.endpoint}
    allow_http: true
    region: eu-central-1
    access_key_id: ${{MY_ID}}
    secret_access_key: ${{MY_SECRET}}
lake:
  url: {LAKE}
  options: *mine
""")
    for name in s3.environment:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MY_ID", KEY_ID)
    monkeypatch.setenv("MY_SECRET", SECRET)
    with pytest.raises(StorageError, match="the environment has no variable MY_BUCKET"):
        discover(home)
    monkeypatch.setenv("MY_BUCKET", BUCKET)
    s3.put(f"landing/{EVENTS}", ndjson(event(1)))
    s3.requests.clear()
    assert [load.rows_read for load in load_all(home)] == [1]
    assert len(query(home, "from lake.raw.study_events")) == 1
    signed = {asked.headers["HTTP_AUTHORIZATION"].partition("/")[0] for asked in s3.requests}
    assert signed == {f"AWS4-HMAC-SHA256 Credential={KEY_ID}"}


# Configuration


def test_the_environment_names_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    assert (landing_of(home), lake_of(home)) == (home.landing, home.lake)
    home.sources.write_text("landing: gs://a/b\n")
    monkeypatch.setenv("DAYBOOK_LANDING", "az://container/from/the/environment/")
    monkeypatch.setenv("DAYBOOK_LAKE", "s3://lake")
    assert str(landing_of(home)) == "az://container/from/the/environment"
    assert str(lake_of(home)) == "s3://lake"
    monkeypatch.setenv("DAYBOOK_LAKE", "s3://key:secret@lake")
    with pytest.raises(SourcesError, match=r"^DAYBOOK_LAKE: a url has no credentials in it") as raised:
        load_sources(home)
    assert "key:secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("landing", "lake", "overlap"),
    [
        ("s3://a/b", "s3://a/b", True),
        ("s3://a", "s3://a/b", True),
        ("s3://a/b/c", "s3://a/b/", True),
        ("s3://a/${PART}", "s3://a/b/lake", True),
        ("s3://a/b", "s3://a/bc", False),
        ("s3://a/b", "gs://a/b", False),
        ("s3://a/b", "s3://ab/b", False),
    ],
)
def test_landing_and_lake_that_overlap_are_refused(
    landing: str, lake: str, overlap: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Erasing would delete extracts, and a listing of extracts would go through the lake."""
    monkeypatch.setenv("PART", "b")
    home, needs = Home(tmp_path), "each needs a part of a bucket for itself"
    in_file = f"sources.yaml:1: landing: overlaps with the lake; {needs}"
    by_variable = f"DAYBOOK_LAKE: overlaps with the landing; {needs}"
    for text, variables, told in (
        (f"landing: {landing}\nlake: {lake}\n", {}, in_file),
        (f"landing:\n  url: {landing}\n", {"DAYBOOK_LAKE": lake}, by_variable),
        ("", {"DAYBOOK_LAKE": lake, "DAYBOOK_LANDING": landing.replace("${PART}", "b")}, by_variable),
    ):
        home.sources.write_text(text)
        with monkeypatch.context() as environment:
            for name, value in variables.items():
                environment.setenv(name, value)
            if overlap:
                with pytest.raises(SourcesError) as raised:
                    load_sources(home)
                assert str(raised.value) == told
            else:
                load_sources(home)


def test_buckets_of_one_name_on_two_servers_do_not_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But on one that is named twice, here and in the environment."""
    home = Home(tmp_path)
    home.sources.write_text("landing: s3://a\nlake:\n  url: s3://a\n  options:\n    endpoint: https://minio.example\n")
    assert str(load_sources(home).lake) == "s3://a"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://minio.example/")
    with pytest.raises(SourcesError, match="overlaps with the lake"):
        load_sources(home)


@pytest.mark.parametrize(
    ("url", "options", "store"),
    [
        ("s3://bucket/a/prefix", {}, 'S3Store(bucket="bucket", prefix="a/prefix")'),
        ("gs://bucket/a/prefix", {}, 'GCSStore(bucket="bucket", prefix="a/prefix")'),
        (
            "az://container/a/prefix",
            {"azure_storage_account_name": "account"},
            'AzureStore(container_name="container", account_name="account", prefix="a/prefix")',
        ),
    ],
)
def test_a_url_names_a_store(url: str, options: dict[str, str], store: str) -> None:
    place = BucketPath(Bucket(BucketSource(url, tuple(options.items()))))
    assert repr(place.bucket.store) == store
    assert str(place / "study" / "2025-01-02") == f"{url}/study/2025-01-02"
    assert place.name == "prefix"


# Memory


_MEASURED = r"""
import re, sys
import duckdb
from ingestion.extracts import sha256_of
from ingestion.home import Home
from ingestion.lake import find_stream
from ingestion.readers import read_documents
from ingestion.storage import landing_of
from pathlib import Path
file = landing_of(Home(Path(sys.argv[1]))) / sys.argv[2]
stream, con = find_stream("study", "events"), duckdb.connect()

def peak():  # not getrusage: a child's maximum begins with what its parent had
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

print(sha256_of(file), peak())
print(sum(len(piece) for piece in read_documents(con, stream, file)), peak())
"""


def _measured(home: Home, name: str) -> tuple[str, int, int, int]:
    command = [sys.executable, "-c", _MEASURED, str(home.root), name]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    digest, peak_of_hash, rows, peak_of_rows = said
    return digest, int(rows), int(peak_of_hash), int(peak_of_rows)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process what it had at most")
def test_a_large_object_is_streamed(home: Home, s3: S3, tmp_path: Path) -> None:
    """Not more memory than for a file, but for the blocks on the way: far less than the object has."""
    lines = ndjson(*(event(n, properties={"topic_name": "x" * 900}) for n in range(1000)))
    content = lines * (64_000_000 // len(lines))
    s3.put(f"landing/{EVENTS}", content)
    local = Home(tmp_path / "local")
    (local.landing / EVENTS).parent.mkdir(parents=True)
    (local.landing / EVENTS).write_bytes(content)
    digest, rows, *peaks = _measured(home, EVENTS)
    digest_of_file, rows_of_file, *peaks_of_file = _measured(local, EVENTS)
    assert (digest, rows) == (digest_of_file, rows_of_file)
    assert all(peak < of_file + 48 for peak, of_file in zip(peaks, peaks_of_file, strict=True)), (peaks, peaks_of_file)
