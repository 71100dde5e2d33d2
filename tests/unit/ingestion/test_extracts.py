"""What counts as an extract, and which ones are new or changed."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ingestion import extracts
from ingestion.extracts import (
    Extract,
    ExtractError,
    ExtractFile,
    RecordedFile,
    discover,
    is_changed,
    read_manifest,
    select_pending,
    sha256_of,
    stream_of,
    verify,
    why_unreadable,
)
from ingestion.home import Home

DAY = date(2025, 1, 2)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def put(home: Home, place: str, content: bytes = b"") -> Path:
    path = home.landing / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def manifest_of(*paths: Path, rows: int = 0) -> bytes:
    return json.dumps(
        {"files": [{"name": path.name, "rows": rows, "sha256": sha256_of(path)} for path in paths]}
    ).encode()


# --- names ---


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("events.ndjson", "events"),
        ("events-2.ndjson.gz", "events"),
        ("events-a.b-c.ndjson.zst", "events"),
        ("events-.csv", "events"),
        ("session_questions.csv.gz", "session_questions"),
        ("session_questions-2.parquet", "session_questions"),
        ("session.parquet", None),
        ("events2.ndjson", None),
        ("events_2.ndjson", None),
        ("Events.ndjson", None),
        ("events.json", None),
        ("events.parquet.gz", None),
        ("events.csv.zst", None),
        ("events", None),
        (".ndjson", None),
        ("-events.ndjson", None),
        ("events.ndjson.tmp", None),
        ("events.ndjson.part", None),
    ],
)
def test_the_stream_of_a_file_name(name: str, stream: str | None) -> None:
    assert stream_of(name, ["events", "session_questions"]) == stream


def test_discovery(home: Home) -> None:
    put(home, "study/2025-01-02/events.ndjson", b"1")
    put(home, "study/2025-01-02/events-2.ndjson", b"22")
    put(home, "study/2025-01-02/topics.csv")
    put(home, "study/2025-01-01/events.parquet")
    put(home, "assessment/2025-01-02/session_questions-2.csv")
    (home.landing / "assessment/2025-01-02/test_sessions.ndjson").mkdir()
    put(home, "study/2025-01-02/manifest.json", b'{"files": []}')
    put(home, "study/2025-01-02/events.ndjson.tmp")
    put(home, "study/2025-01-02/readme.txt")
    put(home, "study/2025-13-01/events.ndjson")
    put(home, "study/20250102/events.ndjson")
    put(home, "study/2025-01-03")
    put(home, "unheard/2025-01-02/events.ndjson")
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == [
        "study/2025-01-01/events",
        "assessment/2025-01-02/session_questions",
        "assessment/2025-01-02/test_sessions",
        "study/2025-01-02/events",
        "study/2025-01-02/topics",
    ]
    assert [(file.name, file.size) for file in found.extracts[3].files] == [
        ("events-2.ndjson", 2),
        ("events.ndjson", 1),
    ]
    assert found.warnings == [
        "study/2025-01-02/events.ndjson.tmp: not finished; ignored",
        "study/2025-01-02/readme.txt: not the name of an extract file; ignored",
        "study/2025-01-03: not a folder of a date; ignored",
        "study/2025-13-01: not a folder of a date; ignored",
        "study/20250102: not a folder of a date; ignored",
        "unheard: not the folder of a system; ignored",
    ]


def test_no_landing_zone_is_an_empty_one(home: Home) -> None:
    assert discover(home).extracts == []


def test_a_file_that_only_the_manifest_knows_belongs_to_its_extract(home: Home) -> None:
    there = put(home, "study/2025-01-02/events.ndjson")
    gone = put(home, "study/2025-01-02/topics.csv")
    put(home, "study/2025-01-02/manifest.json", manifest_of(there, gone))
    gone.unlink()
    events, topics = discover(home).extracts
    assert (events.stream, [file.missing for file in events.files]) == ("events", [False])
    assert (topics.stream, [file.missing for file in topics.files]) == ("topics", [True])


# --- new or changed ---


def file(name: str = "events.ndjson", size: int = 1, modified_ns: int = 1, missing: bool = False) -> ExtractFile:
    return ExtractFile(Path(name), name, size, modified_ns, missing)


def record(name: str = "events.ndjson", size: int = 1, modified_ns: int = 1, sha256: str = "a") -> RecordedFile:
    return RecordedFile(name, size, modified_ns, sha256)


def checksum(path: Path) -> str:
    if path.name == "broken":
        raise IsADirectoryError
    return "a"


def must_not_be_read(path: Path) -> str:
    raise AssertionError(path)


def test_what_was_never_loaded_is_new() -> None:
    assert is_changed((file(),), None, must_not_be_read)


def test_what_looks_the_same_is_not_read() -> None:
    assert not is_changed((file(),), (record(),), must_not_be_read)


@pytest.mark.parametrize(
    "files",
    [
        (file(size=2),),
        (file(name="events-2.ndjson"),),
        (file(), file(name="events-2.ndjson")),
        (file(missing=True), file("x")),
    ],
)
def test_another_name_size_or_number_of_files_is_a_change(files: tuple[ExtractFile, ...]) -> None:
    assert is_changed(files, (record(),), must_not_be_read)


def test_where_only_times_differ_checksums_decide() -> None:
    assert not is_changed((file(modified_ns=2),), (record(),), checksum)
    assert is_changed((file(modified_ns=2),), (record(sha256="b"),), checksum)
    assert is_changed((file("broken", modified_ns=2),), (record("broken"),), checksum)


def test_a_folder_that_was_emptied_after_loading_changes_nothing() -> None:
    assert not is_changed((file(missing=True),), (record(), record("events-2.ndjson")), must_not_be_read)
    assert is_changed((file("events-3.ndjson", missing=True),), (record(),), must_not_be_read)
    assert is_changed((file(missing=True), file("events-2.ndjson")), (record(), record("events-2.ndjson")), checksum)


def test_the_range_of_dates_is_inclusive() -> None:
    extracts = [Extract("study", "events", date(2025, 1, day), (file(),)) for day in (1, 2, 3, 4)]
    recorded = {("study", "events", date(2025, 1, 3)): (record(),)}
    chosen = select_pending(extracts, recorded, checksum, date(2025, 1, 2), date(2025, 1, 4))
    assert [extract.extract_date.day for extract in chosen] == [2, 4]
    assert [extract.extract_date.day for extract in select_pending(extracts, recorded, checksum)] == [1, 2, 4]


# --- manifest, and files that may not be read ---


def extract(*paths: Path, missing: bool = False) -> Extract:
    return Extract("study", "events", DAY, tuple(ExtractFile(path, path.name, 0, 0, missing) for path in paths))


def test_a_manifest_that_fits(home: Home) -> None:
    path = put(home, "study/2025-01-02/events.ndjson", b"{}\n")
    put(home, "study/2025-01-02/manifest.json", manifest_of(path, rows=1))
    manifest = verify(extract(path), home.landing)
    assert manifest is not None
    assert (manifest["events.ndjson"].rows, manifest["events.ndjson"].sha256) == (
        1,
        hashlib.sha256(b"{}\n").hexdigest(),
    )


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"5", b"null", b"{}", b'{"files": 5}', b'{"files": [5]}', b'{"files": [{}]}', b"\xff"),
        b'{"files": [{"name": "x"}]}',
        b'{"files": [{"name": 5, "rows": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "x", "rows": "1", "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "x", "rows": true, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "x", "rows": 1, "sha256": 5}]}',
        b'{"files": [{"name": "../x", "rows": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "..", "rows": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "", "rows": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "events-\\u0000.ndjson", "rows": 1, "sha256": "' + b"0" * 64 + b'"}]}',
        b'{"files": [{"name": "x", "rows": 1, "sha256": "' + b"0" * 63 + b'"}]}',
        b'{"files": [{"name": "x", "rows": 1, "sha256": "' + b"0" * 65 + b'"}]}',
        b'{"files": [{"name": "x", "rows": 1, "sha256": "' + b"g" * 64 + b'"}]}',
        b'{"files": [], "files": []}',
        b'{"files": ' + b"[" * 100_000,
    ],
)
def test_a_manifest_that_cannot_be_read(home: Home, content: bytes) -> None:
    path = put(home, "study/2025-01-02/events.ndjson")
    put(home, "study/2025-01-02/manifest.json", content)
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/manifest\.json: "):
        verify(extract(path), home.landing)
    assert len(discover(home).extracts) == 1


def test_a_file_that_the_manifest_does_not_list(home: Home) -> None:
    path = put(home, "study/2025-01-02/events.ndjson")
    put(home, "study/2025-01-02/manifest.json", b'{"files": []}')
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events\.ndjson: not listed in manifest\.json$"):
        verify(extract(path), home.landing)


def test_a_listed_file_that_is_missing(home: Home) -> None:
    path = home.landing / "study/2025-01-02/events.ndjson"
    with pytest.raises(
        ExtractError, match=r"^study/2025-01-02/events\.ndjson: listed in manifest\.json, but not there"
    ):
        verify(extract(path, missing=True), home.landing)


def test_a_listed_file_that_is_missing_and_belongs_to_no_stream(home: Home) -> None:
    """A mistyped name in a manifest was a warning only: the rows of the file it meant were missing in silence."""
    events = put(home, "study/2025-01-02/events.ndjson")
    entry = {"rows": 0, "sha256": sha256_of(events)}
    files = [{"name": "events.ndjson", **entry}, {"name": "event-2.ndjson", **entry}]
    put(home, "study/2025-01-02/manifest.json", json.dumps({"files": files}).encode())
    with pytest.raises(
        ExtractError, match=r"^study/2025-01-02/event-2\.ndjson: listed in manifest\.json, but not there"
    ):
        verify(extract(events), home.landing)
    put(home, "study/2025-01-02/event-2.ndjson")
    verify(extract(events), home.landing)


def test_a_file_name_that_is_not_utf8(home: Home) -> None:
    """It stopped the whole load: a name has to be stored beside each row, and printed."""
    folder = home.landing / "study/2025-01-02"
    folder.mkdir(parents=True)
    for name in (b"events-\xff.ndjson", b"other-\xfe"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    [found] = discover(home).extracts
    assert found.files[0].name == "events-\\xff.ndjson"
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events-\\xff\.ndjson: a file name that is not"):
        verify(found, home.landing)
    assert discover(home).warnings == ["study/2025-01-02/other-\\xfe: not the name of an extract file; ignored"]


def test_no_manifest(home: Home) -> None:
    path = put(home, "study/2025-01-02/events.ndjson")
    assert read_manifest(path.parent) is None
    assert verify(extract(path), home.landing) is None


def test_a_directory_in_the_place_of_a_file(home: Home) -> None:
    path = home.landing / "study/2025-01-02/events.ndjson"
    path.mkdir(parents=True)
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events\.ndjson: a directory"):
        verify(extract(path), home.landing)


def test_no_regular_file(home: Home) -> None:
    path = put(home, "study/2025-01-02/events.ndjson")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ExtractError, match="not a regular file"):
        verify(extract(path), home.landing)


def test_links_stay_in_the_landing_zone(home: Home, tmp_path: Path) -> None:
    inside = put(home, "study/2025-01-02/events.ndjson")
    link = inside.with_name("events-2.ndjson")
    link.symlink_to(inside)
    assert verify(extract(link), home.landing) is None
    outside = tmp_path / "secret.ndjson"
    outside.write_text("{}")
    link.unlink()
    link.symlink_to(outside)
    with pytest.raises(ExtractError, match="leads out of the landing zone"):
        verify(extract(link), home.landing)
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events-2\.ndjson: "):
        verify(extract(link), home.landing)
    assert [found.name for found in discover(home).extracts[0].files] == ["events-2.ndjson", "events.ndjson"]


def test_a_landing_zone_that_is_a_link_itself(home: Home, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    home.landing.symlink_to(tmp_path / "elsewhere")
    assert verify(extract(put(home, "study/2025-01-02/events.ndjson")), home.landing) is None


# --- what nobody should deliver


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("name", ["events-\ud800.ndjson", "\udcff"])
def test_a_manifest_with_a_name_that_no_file_can_have(home: Home, name: str) -> None:
    """Half a character in a name ended the discovery with an exception, and the night with it."""
    path = put(home, "study/2025-01-02/events.ndjson")
    entry = {"name": name, "rows": 0, "sha256": "0" * 64}
    put(home, "study/2025-01-02/manifest.json", json.dumps({"files": [entry]}).encode())
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == ["study/2025-01-02/events"]
    assert all(warning.isprintable() for warning in found.warnings)
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/manifest\.json: .*is no file name"):
        verify(extract(path), home.landing)


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize(
    ("target", "cause"),
    [
        ("pipe", "not a regular file"),
        ("/dev/zero", "a link that leads out of the landing zone"),
        ("/dev/stdin", "a link that leads out of the landing zone"),
        ("../../../secret", "a link that leads out of the landing zone"),
        ("nowhere", "No such file or directory"),
        ("manifest.json", "a link that leads to itself|Too many levels"),
        ("directory", "a directory"),
    ],
)
def test_a_manifest_that_is_no_file_of_the_landing_zone(home: Home, target: str, cause: str) -> None:
    """It was opened whatever it was: a pipe stopped every night for ever, a link was read wherever it led."""
    path = put(home, "study/2025-01-02/events.ndjson")
    (home.root / "secret").write_text(json.dumps({"files": []}))
    manifest = path.with_name("manifest.json")
    if target == "pipe":
        os.mkfifo(manifest)
    elif target == "directory":
        manifest.mkdir()
    else:
        manifest.symlink_to(target)
    found = discover(home)
    assert len(found.extracts) == 1
    assert len(found.warnings) == 1
    with pytest.raises(ExtractError, match=rf"^study/2025-01-02/manifest\.json: ({cause})"):
        verify(extract(path), home.landing)


def test_a_manifest_that_is_too_large(home: Home) -> None:
    path = put(home, "study/2025-01-02/events.ndjson")
    put(home, "study/2025-01-02/manifest.json", b'{"files": [' + b" " * 4 * 1024**2 + b"]}")
    with pytest.raises(ExtractError, match=r"manifest\.json: longer than 4,194,304 bytes"):
        verify(extract(path), home.landing)


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("place", ["study", "study/2025-01-02"])
def test_a_folder_that_leads_out_of_the_landing_zone_is_not_looked_into(home: Home, tmp_path: Path, place: str) -> None:
    """What lay behind it was listed, its names told, and its manifest read."""
    outside = tmp_path / "outside" / "2025-01-02"
    outside.mkdir(parents=True)
    for name in ("events.ndjson", "somebody's letter.txt", "manifest.json"):
        (outside / name).write_text("{}")
    link = home.landing / place
    link.parent.mkdir(parents=True)
    link.symlink_to(outside.parent if place == "study" else outside)
    found = discover(home)
    assert found.extracts == []
    assert found.warnings == [f"{place}: a link that leads out of the landing zone; ignored"]


def test_a_folder_that_leads_to_another_of_the_landing_zone(home: Home) -> None:
    put(home, "study/2025-01-02/events.ndjson")
    (home.landing / "study/2025-01-03").symlink_to("2025-01-02")
    found = discover(home)
    assert [str(extract) for extract in found.extracts] == ["study/2025-01-02/events", "study/2025-01-03/events"]
    assert found.warnings == []
    assert verify(found.extracts[1], home.landing) is None


@pytest.mark.found("hostile extracts")
def test_messages_name_files_in_one_line(home: Home) -> None:
    """A line end in a name made two lines of a warning, and a direction mark turned it around."""
    put(home, "study/2025-01-02/events-a\nb.ndjson").unlink()
    (home.landing / "study/2025-01-02/events-a\nb.ndjson").mkdir()
    put(home, "study/2025-01-02/\u202eother\x1b[2J")
    found = discover(home)
    assert found.warnings == ["study/2025-01-02/\\u202eother\\x1b[2J: not the name of an extract file; ignored"]
    with pytest.raises(ExtractError, match=r"^study/2025-01-02/events-a\\nb\.ndjson: a directory"):
        verify(found.extracts[0], home.landing)


@pytest.mark.found("fresh eyes")
def test_a_file_that_vanishes_while_landing_is_listed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the load of everything else."""
    folder = home.landing / "study" / "2025-01-02"
    folder.mkdir(parents=True)
    for name in ("events-1.ndjson", "events-2.ndjson"):
        (folder / name).touch()
    listed = extracts._listed

    def listed_a_moment_ago(folder: Path, warnings: list[str], landing: Path) -> list[Path]:
        found = list(listed(folder, warnings, landing))
        (folder / "events-1.ndjson").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(extracts, "_listed", listed_a_moment_ago)
    (extract,) = discover(home).extracts
    assert [file.name for file in extract.files] == ["events-2.ndjson"]


@pytest.mark.found("fresh eyes")
def test_a_folder_that_may_be_listed_and_not_entered(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ended the load of everything else; now its extract is one that cannot be read."""
    for day in ("2025-01-02", "2025-01-03"):
        folder = home.landing / "study" / day
        folder.mkdir(parents=True)
        (folder / "events.ndjson").touch()
    stat = Path.stat

    def refused(path: Path, **given: Any) -> os.stat_result:
        if path.parts[-2:] == ("2025-01-02", "events.ndjson"):
            raise PermissionError(13, "Permission denied")
        return stat(path, **given)

    monkeypatch.setattr(Path, "stat", refused)
    monkeypatch.setattr(Path, "lstat", lambda path: refused(path, follow_symlinks=False))
    found = discover(home).extracts
    assert [(str(extract.extract_date), extract.files[0].size) for extract in found] == [
        ("2025-01-02", 0),
        ("2025-01-03", 0),
    ]
    assert why_unreadable(found[0].files[0].path, home.landing) == "Permission denied"
