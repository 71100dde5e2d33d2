"""A load: whole or not at all, counted to the row, and replaced whole."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Put, Query, event, load_all, ndjson

from ingestion import __main__ as cli
from ingestion import ledger
from ingestion import load as loading
from ingestion.extracts import ExtractError, discover, sha256_of
from ingestion.home import Home
from ingestion.lake import Lake, attach_lake
from ingestion.ledger import Difference, Load
from ingestion.load import Loader, load_extract, pending
from ingestion.readers import UnreadableFile

DAY = "2025-01-02"
EVENTS = f"study/{DAY}/events.ndjson"


def load_one(home: Home) -> Load:
    [extract] = pending(home)
    return load_extract(home, extract)


def test_every_row_is_accounted_for(home: Home, put: Put, query: Query) -> None:
    put(
        EVENTS, ndjson(event(2), "{torn", "", event(1), event(3, event_type="unheard"), event(4, user_id=...), event(1))
    )
    load = load_one(home)
    assert (load.rows_read, load.rows_accepted, load.rows_rejected, load.rows_erased) == (6, 3, 3, 0)
    assert load.rejected == {"malformed": 1, "unknown_event_type": 1, "missing_field": 1}
    assert (load.files, load.bytes) == (1, sum(file.size for file in load.file_set))
    rows = "select source_file, source_line, load_id, extract_date from lake.raw.study_events order by source_line"
    assert query(rows) == [("events.ndjson", line, load.load_id, date(2025, 1, 2)) for line in (1, 4, 7)]
    assert query("select source_line, reason, load_id from lake.raw.quarantine order by 1") == [
        (2, "malformed", load.load_id),
        (5, "unknown_event_type", load.load_id),
        (6, "missing_field", load.load_id),
    ]
    assert query("select raw from lake.raw.quarantine where reason = 'malformed'") == [("{torn",)]
    assert ledger.active_loads(home) == {("study", "events", date(2025, 1, 2)): load}
    counted = "rows_read, rows_valid, rows_rejected, rejected_malformed, rejected_invalid_field, rows_erased, files"
    assert query(f"select {counted} from lake.raw.loads") == [(6, 3, 3, 1, 0, 0, 1)]
    assert ledger.verify(home) == []


def test_rows_lie_in_the_order_of_time(home: Home, put: Put) -> None:
    ids = (event(number)["event_id"] for number in (1, 2, 3, 4))
    put(EVENTS, ndjson(*(event(number, event_id=id_) for number, id_ in zip((5, 3, 9, 1), ids, strict=True))))
    load_one(home)
    [path] = Lake(home).raw_files("study", "events")
    minutes = duckdb.sql(f"select minute(event_ts) from read_parquet($${path}$$)").fetchall()
    assert minutes == [(1,), (3,), (5,), (9,)]


def test_all_files_of_a_stream_are_one_load(home: Home, put: Put, query: Query) -> None:
    put(EVENTS, ndjson(event(1)))
    put(f"study/{DAY}/events-b.ndjson.gz", gzip.compress(ndjson(event(2), event(3))))
    put(f"study/{DAY}/events-c.csv", b"event_id\n")
    load = load_one(home)
    assert (load.rows_read, load.files) == (3, 3)
    assert query("select source_file, count(*) from lake.raw.study_events group by 1 order by 1") == [
        ("events-b.ndjson.gz", 2),
        ("events.ndjson", 1),
    ]


def test_an_empty_file_makes_the_date_exist(home: Home, put: Put, query: Query) -> None:
    put(EVENTS, b"")
    load = load_one(home)
    assert load.rows_read == 0
    assert query("select rows_read, extract_date from lake.raw.loads") == [(0, date(2025, 1, 2))]
    assert Lake(home).active_loads() == {("study", "events"): {date(2025, 1, 2): load.load_id}}
    assert pending(home) == []


def test_a_changed_date_is_replaced_whole(home: Home, put: Put, query: Query) -> None:
    path = put(EVENTS, ndjson(event(1), event(2), "torn"))
    first = load_one(home)
    assert pending(home) == []
    os.utime(path, (1, 1))
    assert pending(home) == []
    put(EVENTS, ndjson(event(2), event(3), event(4), "other", "torn"))
    second = load_one(home)
    assert second.load_id > first.load_id
    assert query("select row_id from lake.raw.study_events order by 1") == [(event(n)["event_id"],) for n in (2, 3, 4)]
    assert query("select raw from lake.raw.quarantine order by 1") == [("other",), ("torn",)]
    assert query("select load_id from lake.raw.loads") == [(second.load_id,)]
    put(EVENTS, ndjson(event(2)))
    load_one(home)
    assert query("from lake.raw.quarantine") == []
    assert Lake(home).quarantine_files() == []
    assert ledger.verify(home) == []


def test_dates_do_not_touch_each_other(home: Home, put: Put, query: Query) -> None:
    for day in ("2025-01-03", "2025-01-02"):
        put(f"study/{day}/events.ndjson", ndjson(event(1), "torn"))
    assert [str(extract) for extract in pending(home)] == ["study/2025-01-02/events", "study/2025-01-03/events"]
    assert [str(extract) for extract in pending(home, first=date(2025, 1, 3))] == ["study/2025-01-03/events"]
    load_all(home)
    put(EVENTS, b"")
    load_all(home)
    assert query("select extract_date, rows_read, rows_rejected from lake.raw.loads order by 1") == [
        (date(2025, 1, 2), 0, 0),
        (date(2025, 1, 3), 2, 1),
    ]
    assert query("select extract_date, count(*) from lake.raw.study_events group by 1") == [(date(2025, 1, 3), 1)]
    assert query("select extract_date, raw from lake.raw.quarantine") == [(date(2025, 1, 3), "torn")]


def test_a_cleaned_up_landing_zone_withdraws_nothing(home: Home, put: Put, query: Query) -> None:
    path = put(EVENTS, ndjson(event(1)))
    put(f"study/{DAY}/manifest.json", manifest(path, rows=1))
    load_one(home)
    path.unlink()
    assert pending(home) == []
    assert query("select count(*) from lake.raw.study_events") == [(1,)]


def manifest(path: Path, **changes: Any) -> bytes:
    return json.dumps({"files": [{"name": path.name, "rows": 0, "sha256": sha256_of(path)} | changes]}).encode()


def test_a_manifest_of_several_files_counts_each_by_itself(home: Home, put: Put) -> None:
    paths = [put(f"study/{DAY}/events-{n}.ndjson", ndjson(*[event(n)] * n)) for n in (1, 2, 3)]
    entries = [json.loads(manifest(path, rows=n))["files"][0] for n, path in enumerate(paths, 1)]
    put(f"study/{DAY}/manifest.json", json.dumps({"files": entries}).encode())
    assert load_one(home).rows_read == 6


def test_the_same_events_are_the_same_rows_in_every_format(home: Home, put: Put, query: Query) -> None:
    rows = [
        event(1, client_ts="2025-01-02T00:00:00.25+01:00"),
        event(
            2, event_type="xp_earned", topic_id=..., properties={"xp_amount": 5, "xp_source": 'a "b", c\nd', "odd": 1.5}
        ),
        event(3, event_type="question_submit", properties={"is_correct": True}, question_id=event(7)["event_id"]),
        event(4, user_id=...),
    ]
    put("study/2025-01-02/events.ndjson", ndjson(*rows))
    put("study/2025-01-03/events.ndjson.zst", pa.Codec("zstd").compress(ndjson(*rows), asbytes=True))
    text = [{k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()} for row in rows]
    names = sorted({name for row in rows for name in row})
    out = io.StringIO()
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    writer.writerows(text)
    put("study/2025-01-04/events.csv", out.getvalue().encode())
    instants = [
        {k: datetime.fromisoformat(v) if k in ("event_ts", "client_ts") else v for k, v in row.items()} for row in rows
    ]
    for day, values in ((5, text), (6, instants)):
        table = pa.table({name: pa.array([row.get(name) for row in values]) for name in names})
        pq.write_table(table, put(f"study/2025-01-{day:02d}/events.parquet", b""))
    loads = load_all(home)
    assert [(load.rows_accepted, load.rejected) for load in loads] == [(3, {"missing_field": 1})] * 5
    content = "* exclude (source_file, source_line, load_id, extract_date)"
    assert query(f"select count(*) from (select distinct {content} from lake.raw.study_events)") == [(3,)]
    assert query("select source_line from lake.raw.study_events where source_file like '%csv' order by 1") == [
        (1,),
        (2,),
        (3,),
    ]


# --- what cannot be loaded ---


def break_with_directory(put: Put) -> None:
    put(EVENTS, b"").unlink()
    put(f"{EVENTS}/x", b"")


def break_with_torn_gzip(put: Put) -> None:
    put(EVENTS, b"").unlink()
    put(f"{EVENTS}.gz", gzip.compress(ndjson(event(1)))[:-3])


def break_with_parquet(put: Put) -> None:
    put(EVENTS, b"").unlink()
    put(f"study/{DAY}/events.parquet", b"no parquet")


def break_with_rows(put: Put) -> None:
    put(f"study/{DAY}/manifest.json", manifest(put(EVENTS, ndjson(event(1), "torn")), rows=1))


def break_with_hash(put: Put) -> None:
    put(f"study/{DAY}/manifest.json", manifest(put(EVENTS, ndjson(event(1))), rows=1, sha256="0" * 64))


def break_with_missing_file(put: Put) -> None:
    path = put(f"study/{DAY}/events-2.ndjson", ndjson(event(1)))
    put(f"study/{DAY}/manifest.json", manifest(path, rows=1))
    path.unlink()


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (break_with_directory, r"study/2025-01-02/events\.ndjson: a directory"),
        (break_with_torn_gzip, r"study/2025-01-02/events\.ndjson\.gz: "),
        (break_with_parquet, r"study/2025-01-02/events\.parquet: "),
        (break_with_rows, r"study/2025-01-02/events\.ndjson: 2 rows, but 1 in manifest\.json"),
        (break_with_hash, r"study/2025-01-02/events\.ndjson: sha256 "),
        (break_with_missing_file, r"study/2025-01-02/events-2\.ndjson: listed in manifest\.json, but not there"),
    ],
)
def test_a_failed_load_leaves_the_lake_as_it_was(home: Home, put: Put, query: Query, breaks: Any, message: str) -> None:
    put(EVENTS, ndjson(event(1), event(2)))
    before = load_one(home)
    breaks(put)
    [extract] = pending(home)
    with pytest.raises(ExtractError, match=f"^{message}"):
        load_extract(home, extract)
    assert query("select load_id, rows_read from lake.raw.loads") == [(before.load_id, 2)]
    assert query("select count(*) from lake.raw.study_events") == [(2,)]
    [failure] = ledger.failed_loads(home)
    assert failure.key == before.key
    assert failure.error.startswith("study/2025-01-02/events")
    assert pending(home) == [extract]


def test_one_failure_stops_nothing_else(
    home: Home, put: Put, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    put(f"study/{DAY}/events.parquet", b"no parquet")
    put(f"study/{DAY}/topics.csv", b"topic_id,name\n20000000-0000-4000-8000-000000000001,fractions\n")
    put("study/2025-01-03/events.ndjson", ndjson(event(1)))
    assert cli.main(["load"]) == 1
    printed = capsys.readouterr()
    assert "study/2025-01-02/events: failed: study/2025-01-02/events.parquet: " in printed.err
    assert "2 extracts loaded, 1 failed; 2 rows read" in printed.out
    assert cli.main(["status"]) == 0
    assert "study/2025-01-02/events" in capsys.readouterr().out
    assert cli.main(["verify"]) == 0
    assert cli.main(["load", "--from", "2025-01-03"]) == 0


@pytest.mark.parametrize("step", ["read_documents", "judge", "post"])
@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException("full of me@example.org\nmore"), ZeroDivisionError()])
def test_an_error_that_nobody_thought_of_stops_nothing_else(
    home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception
) -> None:
    """Memory that ran out while an extract was judged or posted ended the load: the next extracts were not begun."""
    put(EVENTS, ndjson(event(1)))
    before = load_one(home)
    put(EVENTS, ndjson(event(1), event(2), "torn"))
    put("study/2025-01-03/events.ndjson", ndjson(event(3)))
    module = ledger if step == "post" else loading
    whole = getattr(module, step)

    def broken(*arguments: Any) -> Any:
        if any(day in repr(arguments) for day in (DAY, repr(date.fromisoformat(DAY)))):
            raise error
        return whole(*arguments)

    monkeypatch.setattr(module, step, lambda *arguments, **named: broken(*arguments, *named.values()))
    with Loader(home, cores=1) as loader:
        [(_, failure), (_, load)] = list(loader.load_all(pending(home)))
    assert isinstance(failure, ExtractError) and isinstance(load, Load)
    assert failure.__cause__ is error
    place = f"study/{DAY}/events" if step == "post" else EVENTS
    told = ": full of [email]" if isinstance(error, duckdb.Error) else ""
    assert str(failure) == f"{place}: {type(error).__name__}{told}"
    assert query("select load_id from lake.raw.loads order by 1") == [(before.load_id,), (load.load_id,)]
    assert query("select error from lake.raw.failed_loads") == [(str(failure),)]
    assert ledger.verify(home) == []


def test_an_engine_that_an_error_broke_is_replaced(home: Home, put: Put, query: Query) -> None:
    put(EVENTS, ndjson(event(1)))
    put("study/2025-01-03/events.ndjson", ndjson(event(3)))
    with Loader(home, cores=1) as loader:
        loader._engine.close()
        loads = [load for _, load in loader.load_all(pending(home)) if isinstance(load, Load)]
    assert query("select load_id from lake.raw.loads order by 1") == [(load.load_id,) for load in loads]
    assert len(loads) == 2


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2200-01-01", "9999-12-31"])
def test_a_date_that_cannot_be_is_none(home: Home, put: Put, day: str) -> None:
    """An empty folder of a mistyped year ended the night, or would have carried the warehouse into that year."""
    put(f"study/{day}/events.ndjson", ndjson(event(1)))
    put("study/2000-01-01/events.ndjson", ndjson(event(1)))
    put("study/2199-12-31/events.ndjson", ndjson(event(2)))
    assert [load.rows_read for load in load_all(home)] == [1, 1]
    assert discover(home).warnings == [f"study/{day}: a date before 2000 or after 2199; ignored"]


@contextmanager
def as_nobody(home: Home) -> Iterator[None]:
    """As a user who may write to the home and is not root, for root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    for path in (*home.root.rglob("*"), home.root):
        if path.stat().st_mode & 0o400:
            path.chmod(0o777)
    for parent in home.root.parents:
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o055 != 0o055:
            parent.chmod(0o755)  # a home with a wildcard in its name is found by listing the folder above
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_without_permission(home: Home, put: Put) -> None:
    put("study/2025-01-01/events.ndjson", ndjson(event(1)))
    load_one(home)
    put(EVENTS, ndjson(event(2))).chmod(0)
    with as_nobody(home), pytest.raises(ExtractError, match=r"study/.*events\.ndjson.*Permission denied"):
        load_one(home)


@pytest.mark.parametrize("rows", [[event(1), event(2)], [event(3)]])
def test_a_file_that_changes_while_it_is_read(
    home: Home, put: Put, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]
) -> None:
    path = put(EVENTS, ndjson(event(1)))
    os.utime(path, (1, 1))
    judge = loading.judge

    def slow_judge(*arguments: Any) -> Any:
        path.write_bytes(ndjson(*rows))
        return judge(*arguments)

    monkeypatch.setattr(loading, "judge", slow_judge)
    with pytest.raises(ExtractError, match="changed while it was read"):
        load_one(home)


# --- pieces ---


def test_files_of_an_extract_are_judged_side_by_side(home: Home, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """One waited for the other: an extract of many files kept one core busy."""
    put("study/2025-01-02/events-1.ndjson", ndjson(event(1)))
    put("study/2025-01-02/events-2.ndjson", ndjson(event(2)))
    both, judge = threading.Barrier(2, timeout=30), loading.judge

    def together(*arguments: Any) -> Any:
        both.wait()
        return judge(*arguments)

    monkeypatch.setattr(loading, "judge", together)
    with Loader(home, cores=2) as loader:
        [(_, load)] = loader.load_all(pending(home))
    assert isinstance(load, Load) and load.rows_accepted == 2


def test_a_load_in_pieces_is_the_same(home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [event(n, extra=n) if n % 3 else "torn" for n in range(50)]
    put(EVENTS, ndjson(*rows))
    everything = "select * exclude (load_id) from lake.raw.study_events order by source_line"
    whole, stored = load_one(home), query(everything)
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 7)
    put(EVENTS, ndjson(*rows) + b"\n")
    seen: list[int] = []
    [extract] = pending(home)
    pieces = load_extract(home, extract, lambda _, rows: seen.append(rows))
    assert seen == [7, 14, 21, 28, 35, 42, 49, 50]
    assert (pieces.rows_read, pieces.rejected, pieces.drift) == (whole.rows_read, whole.rejected, whole.drift)
    assert [(drift.field, drift.rows) for drift in pieces.drift] == [("extra", 33)]
    assert query(everything) == stored


def test_the_folder_for_what_memory_cannot_hold_is_cleaned_up(home: Home, put: Put) -> None:
    put(EVENTS, ndjson(*(event(n) for n in range(20_000))))
    left_behind = home.work / "load.tmp" / "0" / "duckdb_temp_storage_DEFAULT-0.tmp"
    left_behind.parent.mkdir(parents=True)
    left_behind.write_text("of a load that was killed")
    with Loader(home) as loader:
        assert not left_behind.exists()
        [(_, load)] = loader.load_all(pending(home))
    assert isinstance(load, Load)
    assert load.rows_accepted == 20_000
    assert not (home.work / "load.tmp").exists()


def test_a_caller_that_stops_halfway_leaves_a_loader_that_goes_on(home: Home, put: Put) -> None:
    for day in range(1, 9):
        put(f"study/2025-01-{day:02d}/events.ndjson", ndjson(event(1)))
    with Loader(home) as loader:
        outcomes = loader.load_all(pending(home))
        next(outcomes)
        outcomes.close()
        assert len(ledger.active_loads(home)) == 1
        assert len([*loader.load_all(pending(home))]) == 7
    assert pending(home) == []


def test_few_pieces_wait_to_be_judged_whatever_comes(home: Home, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three extracts of 20 pieces: one core judges one, two wait, and each of the two that are begun has read one."""
    for day in range(1, 4):
        put(f"study/2025-01-{day:02d}/events.ndjson", ndjson(*(event(n) for n in range(140))))
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 7)
    counting = threading.Lock()
    read = judged = most = 0
    read_documents, judge = loading.read_documents, loading.judge

    def counted_pieces(*arguments: Any) -> Iterator[Any]:
        nonlocal read, most
        for piece in read_documents(*arguments):
            with counting:
                read += 1
                most = max(most, read - judged)
            yield piece

    def slow_judge(*arguments: Any) -> Any:
        nonlocal judged
        time.sleep(0.02)
        found = judge(*arguments)
        with counting:
            judged += 1
        return found

    monkeypatch.setattr(loading, "read_documents", counted_pieces)
    monkeypatch.setattr(loading, "judge", slow_judge)
    with Loader(home, cores=1) as loader:
        assert len([*loader.load_all(pending(home))]) == 3
    assert judged == 60
    assert 2 <= most <= 5


def test_nothing_of_an_extract_that_failed_is_still_judged(
    home: Home, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that was judged on would leave its tables in an engine that knows of nobody who wants them."""
    put(EVENTS, ndjson(*(event(n) for n in range(21))))
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 7)
    judged: list[str] = []
    read_documents, judge = loading.read_documents, loading.judge

    def torn_pieces(*arguments: Any) -> Iterator[Any]:
        yield next(read_documents(*arguments))
        raise UnreadableFile("torn")

    def slow_judge(*arguments: Any) -> Any:
        time.sleep(0.3)
        found = judge(*arguments)
        judged.append(found.accepted)
        return found

    monkeypatch.setattr(loading, "read_documents", torn_pieces)
    monkeypatch.setattr(loading, "judge", slow_judge)
    with Loader(home, cores=1) as loader:
        [(_, failed)] = loader.load_all(pending(home))
        assert isinstance(failed, ExtractError)
        assert len(judged) == 1
        assert loader._engine.execute("select count(*) from duckdb_tables()").fetchall() == [(0,)]


def test_what_nobody_waits_for_is_read_no_further(home: Home, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C during a large extract waited for its last row."""
    put("study/2025-01-01/events.ndjson", ndjson(event(1)))
    put(EVENTS, ndjson(*(event(n) for n in range(700))))
    monkeypatch.setattr("ingestion.readers._PIECE_ROWS", 7)
    judged: list[int] = []
    judge = loading.judge

    def slow_judge(*arguments: Any) -> Any:
        judged.append(1)
        time.sleep(0.05)
        return judge(*arguments)

    monkeypatch.setattr(loading, "judge", slow_judge)
    with Loader(home, cores=1) as loader:
        outcomes = loader.load_all(pending(home))
        next(outcomes)
        outcomes.close()
        assert len(judged) < 50  # of 101 pieces
        monkeypatch.setattr(loading, "judge", judge)
        [(_, load)] = loader.load_all(pending(home))
    assert isinstance(load, Load) and load.rows_accepted == 700


# --- crashes ---

KILLED = """
import os, sys
from pathlib import Path
from ingestion import lake
from ingestion.home import Home
from ingestion.load import Loader, pending

home, steps = Home(Path(sys.argv[1])), int(sys.argv[2])

def counted(method):
    def step(*arguments, **named):
        global steps
        if steps == 0:
            os._exit(9)
        steps -= 1
        return method(*arguments, **named)
    return step

lake.Table.write, lake.Table.commit = counted(lake.Table.write), counted(lake.Table.commit)
with Loader(home) as loader:
    for extract in pending(home):
        loader.load(extract)
"""


@pytest.mark.parametrize("loaded_before", [False, True])
def test_a_load_killed_at_any_step_has_not_happened_or_is_whole(
    home: Home, put: Put, query: Query, loaded_before: bool
) -> None:
    state = "select row_id, load_id from lake.raw.study_events union all select raw, load_id from lake.raw.quarantine"
    loads = "select load_id, rows_read from lake.raw.loads"
    if loaded_before:
        put(EVENTS, ndjson(event(1), "torn"))
        load_one(home)
    for steps in range(20):
        put(EVENTS, ndjson(event(2), event(3), *["torn"] * (steps + 2)))
        before = sorted(query(state)), query(loads)
        killed = subprocess.run([sys.executable, "-c", KILLED, str(home.root), str(steps)], check=False).returncode
        after = sorted(query(state)), query(loads)
        assert ledger.verify(home) == []
        if killed == 0:
            break
        assert killed == 9
        if pending(home):
            assert after == before
        else:
            assert after[1][0][1] == 4 + steps
            assert len({load_id for _, load_id in after[0]}) == 1
    else:
        pytest.fail("the load never came to its end")
    assert steps >= 5
    assert query("select count(*) from lake.raw.quarantine") == [(steps + 2,)]
    assert len(Lake(home).quarantine_files()) == 1


# --- the ledger ---


def test_the_ledger_is_merged_now_and_then(home: Home, put: Put, query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_MERGE_AT", 4)
    for day in range(1, 10):
        put(f"study/2025-01-{day:02d}/events.ndjson", b"")
    loads = load_all(home)
    assert len(Lake(home).ledger_files()) < 4
    assert query("select load_id from lake.raw.loads order by 1") == [(load.load_id,) for load in loads]
    assert list(ledger.active_loads(home).values()) == loads


def test_a_ledger_that_is_wrong_is_found_out(home: Home, put: Put) -> None:
    put(EVENTS, ndjson(event(1), "torn"))
    load = load_one(home)
    lake = Lake(home)
    quarantined = home.lake / "quarantine" / lake.quarantine.files()[0]
    lake.quarantine.commit({"system": "study", "stream": "events", "extract_date": DAY}, [], keep=lambda path: False)
    quarantined.unlink()
    place = (load.load_id, "study", "events", date(2025, 1, 2))
    assert ledger.verify(home) == [Difference(*place, "rejected_malformed", 1, 0)]
    assert ledger.verify(home, ["other"]) == []


def test_a_load_that_does_not_balance_is_none(home: Home, put: Put) -> None:
    put(EVENTS, ndjson(event(1)))
    load = load_one(home)
    with pytest.raises(AssertionError, match="does not balance"):
        dataclasses.replace(load, rows_accepted=2)


def test_the_example_of_the_readme_is_accepted(home: Home, put: Put) -> None:
    """Its ids were cut short: whoever pasted it found the row in quarantine."""
    readme = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    example = readme.partition("```json\n")[2].partition("```")[0]
    put("study/2026-01-05/events.ndjson", example.encode())
    [load] = load_all(home)
    assert (load.rows_read, load.rows_accepted) == (1, 1)


# --- what nobody should deliver


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("replaced_by", ["pipe", "/dev/zero", "outside"])
def test_a_loaded_file_that_became_something_else_is_not_opened(home: Home, put: Put, replaced_by: str) -> None:
    """An empty file was loaded, then a pipe stood in its place: whoever opens a pipe waits for ever.

    It has the same size, so its checksum was to decide.
    """
    path = put(EVENTS, b"")
    load_one(home)
    path.unlink()
    if replaced_by == "pipe":
        os.mkfifo(path)
    else:
        (home.root / "outside").touch()
        path.symlink_to(home.root / "outside" if replaced_by == "outside" else replaced_by)
        if replaced_by == "outside":
            os.utime(home.root / "outside", (1, 1))
    [extract] = pending(home)
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events\.ndjson: (not a regular|a link that leads out)"):
        load_extract(home, extract)


@pytest.mark.found("hostile extracts")
def test_the_message_of_a_file_that_cannot_be_read_is_one_short_line(home: Home, put: Put) -> None:
    """What an engine says came whole: of several lines, with values, and as long as a header can be."""
    names = ["Kim Possible", "kim@example.org", "x" * 500]
    table = pa.table({name: pa.array([None], pa.decimal256(50, 0)) for name in names})
    pq.write_table(table, put(f"study/{DAY}/events.parquet", b""))
    put(f"study/{DAY}/topics.csv", b'"Kim Possible ' + b"x" * 1000 + b",kim@example.org\n")
    for extract in pending(home):
        with pytest.raises(ExtractError) as caught:
            load_extract(home, extract)
        told = str(caught.value)
        assert told.isprintable() and len(told) < 200 and "kim@" not in told


@pytest.mark.found("fresh eyes")
@pytest.mark.parametrize("name", ["events-[a].parquet", "events-*.parquet", "events-?.parquet", "events-[!b]*.parquet"])
def test_the_name_of_a_parquet_file_is_no_pattern(home: Home, put: Put, query: Query, name: str) -> None:
    """The rows of `events-[a].parquet` were lost without a word, and those of `events-a.parquet` read twice."""
    for file, numbers in (("events-a.parquet", [1]), (name, [2, 3, 4])):
        table = pa.Table.from_pylist([event(number) for number in numbers])
        pq.write_table(table, put(f"study/{DAY}/{file}", b""))
    assert load_one(home).rows_read == 4
    found = query("select source_file, event_id from lake.raw.study_events order by 2")
    assert found == [
        (file, event(n)["event_id"]) for file, n in [("events-a.parquet", 1), (name, 2), (name, 3), (name, 4)]
    ]


def test_a_parquet_file_whose_name_the_engine_cannot_be_told(home: Home, put: Put) -> None:
    pq.write_table(pa.Table.from_pylist([event(1)]), put(f"study/{DAY}/events-\\[a].parquet", b""))
    with pytest.raises(ExtractError, match=r"there is a backslash beside a wildcard"):
        load_one(home)


@pytest.mark.found("fresh eyes")
def test_the_name_of_a_home_is_no_pattern(tmp_path: Path) -> None:
    """A load of the home `h[b]` took the rows of the home `hb` beside it."""
    homes = {2: Home(tmp_path / "hb"), 1: Home(tmp_path / "h[b]")}
    for rows, home in homes.items():
        file = home.landing / EVENTS.replace(".ndjson", ".parquet")
        file.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist([event(10 * rows + number) for number in range(rows)]), file)
    for rows, home in homes.items():
        assert load_one(home).rows_accepted == rows
        with duckdb.connect() as con:
            attach_lake(con, home)
            found = con.execute("select event_id from lake.raw.study_events order by 1").fetchall()
        assert found == [(event(10 * rows + number)["event_id"],) for number in range(rows)]
