"""What lies in the landing zone, and which of it is new or changed; and the dates of streams that lie in a database.

What belongs here: the names of files and folders, the manifest, the comparison with what was loaded before, and which
dates of a database have ended. What does not: the rows inside the files (`readers.py`), the questions to a database
(`database.py`), and loading (`load.py`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from ingestion.contract import load_contracts
from ingestion.home import Home
from ingestion.privacy import without_emails
from ingestion.readers import split_name
from ingestion.sources import DatabaseSource, load_sources

MANIFEST = "manifest.json"
# Of some ten thousand files; a longer one is not read.
_LARGEST_MANIFEST = 4 * 1024 * 1024
# No extract is older, for no event is; and one from after these years would carry the whole warehouse there: whatever
# looks back from the newest extract date would find nothing.
FIRST_DATE, LAST_DATE = date(2000, 1, 1), date(2199, 12, 31)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNFINISHED = (".tmp", ".part")


class ExtractError(Exception):
    """An extract that cannot be loaded; the message names the file, relative to the landing zone, and the cause."""


@dataclass(frozen=True)
class ExtractFile:
    """One file of an extract; `missing`: the manifest lists it, and it is not there.

    `name` is fit to be stored; it is the file's own but where that is not valid UTF-8.
    """

    path: Path
    name: str
    size: int
    modified_ns: int
    missing: bool = False

    @property
    def place(self) -> str:
        """The file as messages name it: relative to the landing zone."""
        return _place(self.path)


@dataclass(frozen=True)
class Extract:
    """One stream and extract date: its files, by name, or the rows that a database received that day."""

    system: str
    stream: str
    extract_date: date
    files: tuple[ExtractFile, ...] = ()
    database: DatabaseSource | None = None

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.files[0].path.parent

    def __str__(self) -> str:
        """The extract as messages name it."""
        return f"{self.system}/{self.extract_date}/{self.stream}"


@dataclass(frozen=True)
class Discovery:
    """The extracts, by date, system and stream, and what of the landing zone was passed over and why."""

    extracts: list[Extract]
    warnings: list[str]


@dataclass(frozen=True)
class RecordedFile:
    """A file as the ledger recorded it when it was loaded."""

    name: str
    size: int
    modified_ns: int
    sha256: str


@dataclass(frozen=True)
class ManifestEntry:
    """What a manifest says of a file: its rows, and the hash of the file as it lies."""

    rows: int
    sha256: str


def discover(home: Home, now: datetime | None = None) -> Discovery:
    """Everything in the landing zone, and every date of a database that has ended by `now`, sorted.

    No database is asked. Raises SourcesError.
    """
    streams = {name: [stream.name for stream in contract.streams] for name, contract in load_contracts().items()}
    databases = load_sources(home).databases
    extracts = [
        Extract(system, stream, day, database=source)
        for (system, stream), source in databases.items()
        for day in ended_dates(source, now or datetime.now(UTC))
    ]
    elsewhere: dict[tuple[str, str], int] = defaultdict(int)  # files of streams that are read from a database
    warnings: list[str] = []
    for system in _listed(home.landing, warnings, home.landing):
        if system.name not in streams or not _is_folder(system):
            warnings.append(f"{_relative(system, home.landing)}: not the folder of a system; ignored")
            continue
        if _is_outside(system, home.landing):
            warnings.append(f"{_relative(system, home.landing)}: {_LINK_OUT}; ignored")
            continue
        for folder in _listed(system, warnings, home.landing):
            day = _date_of(folder)
            if day is None:
                warnings.append(f"{_relative(folder, home.landing)}: not a folder of a date; ignored")
            elif not FIRST_DATE <= day <= LAST_DATE:
                told = f"a date before {FIRST_DATE.year} or after {LAST_DATE.year}"
                warnings.append(f"{_relative(folder, home.landing)}: {told}; ignored")
            elif _is_outside(folder, home.landing):
                warnings.append(f"{_relative(folder, home.landing)}: {_LINK_OUT}; ignored")
            else:
                found = _files_by_stream(folder, streams[system.name], warnings, home.landing)
                for stream, files in found.items():
                    if (system.name, stream) in databases:
                        elsewhere[system.name, stream] += sum(not file.missing for file in files)
                    else:
                        extracts.append(Extract(system.name, stream, day, files))
    warnings += [
        f"{system}/*/{stream}*: {files:,} {'file' if files == 1 else 'files'}, but {home.sources.name} says that"
        f" {system}.{stream} is read from a database; ignored"
        for (system, stream), files in sorted(elsewhere.items())
        if files
    ]
    extracts.sort(key=lambda extract: (extract.extract_date, extract.system, extract.stream))
    return Discovery(extracts, [without_emails(warning) for warning in warnings])


def ended_dates(source: DatabaseSource, now: datetime) -> list[date]:
    """The extract dates of a database that can be read: those that have ended, and of a table as it is the newest."""
    last = newest_ended(source, now)
    first = last if source.first is None else max(source.first, FIRST_DATE)
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def newest_ended(source: DatabaseSource, now: datetime) -> date:
    """The newest extract date of a database that can be read; it may lie before the first."""
    ended = (now.astimezone(UTC) - timedelta(minutes=source.grace_minutes)).date() - timedelta(days=1)
    return min(ended, source.last or ended)


def not_read(warnings: Sequence[str], most: int = 10) -> list[str]:
    """What lies in landing and is no extract, a line each; of many, the first."""
    lines = [f"not read: {warning.removesuffix('; ignored')}" for warning in warnings[:most]]
    return lines + ([f"not read: {len(warnings) - most:,} more"] if len(warnings) > most else [])


def holds_files(folder: Path) -> bool:
    """Whether anything but folders lies in a folder, at any depth and under whatever name."""
    return any(path.is_symlink() or not path.is_dir() for path in folder.rglob("*"))


def select_pending(
    extracts: Iterable[Extract],
    recorded: Mapping[tuple[str, str, date], tuple[RecordedFile, ...]],
    checksum: Callable[[Path], str],
    first: date | None = None,
    last: date | None = None,
) -> list[Extract]:
    """The files within the inclusive range of dates that are new, or differ from what the ledger recorded."""
    return [
        extract
        for extract in extracts
        if (first is None or first <= extract.extract_date)
        and (last is None or extract.extract_date <= last)
        and is_changed(extract.files, recorded.get((extract.system, extract.stream, extract.extract_date)), checksum)
    ]


def is_changed(
    files: tuple[ExtractFile, ...], recorded: tuple[RecordedFile, ...] | None, checksum: Callable[[Path], str]
) -> bool:
    """Whether the set of (name, size, time) differs from the recorded one; where only times differ, checksums decide.

    A landing folder may be emptied after loading: that neither withdraws nor changes anything, whatever a manifest
    that was left behind still lists.
    """
    if recorded is None:
        return True
    known = {file.name: file for file in recorded}
    if all(file.missing for file in files):
        return not {file.name for file in files} <= known.keys()
    if {(file.name, file.size) for file in files} != {(file.name, file.size) for file in recorded}:
        return True
    if any(file.missing for file in files):
        return True
    try:
        return any(
            file.modified_ns != known[file.name].modified_ns and checksum(file.path) != known[file.name].sha256
            for file in files
        )
    except OSError:
        return True  # loading it will say what is wrong with the file


def why_unreadable(path: Path, landing: Path) -> str | None:
    """Why a file of the landing zone may not be opened at all; None if it may.

    To open a pipe waits for somebody to write into it, a device has no end, and a link may lead anywhere.
    """
    try:
        if _leads_out(path, landing):
            return _LINK_OUT
        mode = path.stat().st_mode
    except OSError as error:
        return error.strerror or str(error)
    except RuntimeError:
        return "a link that leads to itself"
    if stat.S_ISDIR(mode):
        return "a directory where a file is expected"
    return None if stat.S_ISREG(mode) else "not a regular file"


def sha256_of(path: Path) -> str:
    """The hex SHA-256 of a file as it lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, ManifestEntry] | None:
    """What the manifest of a date folder says, by file name; None where there is none. Raises ExtractError."""
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return None
    fault = why_unreadable(path, landing=folder.parents[1])
    if fault is None and path.stat().st_size > _LARGEST_MANIFEST:
        fault = f"longer than {_LARGEST_MANIFEST:,} bytes"
    if fault is not None:
        raise ExtractError(f"{_place(path)}: {fault}")
    try:
        entries = json.loads(path.read_bytes(), object_pairs_hook=_object)["files"]
        manifest: dict[str, ManifestEntry] = {}
        for entry in entries:
            name, rows, sha256 = entry["name"], entry["rows"], entry["sha256"]
            if not _is_file_name(name) or name in manifest:
                raise ValueError(f"{ascii(name)[:_LONGEST_SHOWN]} is no file name, or stands twice")
            if type(rows) is not int or not re.fullmatch("[0-9a-f]{64}", str(sha256).lower()):
                raise ValueError(f"{_printable(name)}: rows or sha256 is none")
            manifest[name] = ManifestEntry(rows, sha256.lower())
        return manifest
    except KeyError as error:
        raise ExtractError(f"{_place(path)}: {error.args[0]!r} is missing") from error
    except OSError as error:
        raise ExtractError(f"{_place(path)}: {error.strerror}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ExtractError(f"{_place(path)}: cannot be read as a manifest: {error}") from error


def verify(extract: Extract, landing: Path) -> dict[str, ManifestEntry] | None:
    """Check that every file may be read at all, and that the manifest lists what lies there. Raises ExtractError.

    A file that the manifest lists under a name of no stream may be a part of any: if it is missing, all of them fail.

    Returns the manifest; rows and hashes are compared while the files are read.
    """
    manifest = read_manifest(extract.folder)
    streams = [stream.name for stream in load_contracts()[extract.system].streams]
    for name in manifest or ():
        if stream_of(name, streams) is None and not os.path.lexists(extract.folder / name):
            raise ExtractError(f"{_place(extract.folder / name)}: listed in {MANIFEST}, but not there")
    for file in extract.files:
        place = file.place
        if file.missing:
            raise ExtractError(f"{place}: listed in {MANIFEST}, but not there")
        if file.name != file.path.name:
            raise ExtractError(f"{place}: a file name that is not valid UTF-8")
        fault = why_unreadable(file.path, landing)
        if fault is not None:
            raise ExtractError(f"{place}: {fault}")
        if manifest is not None and file.name not in manifest:
            raise ExtractError(f"{place}: not listed in {MANIFEST}")
    return manifest


def stream_of(name: str, streams: Iterable[str]) -> str | None:
    """The stream that a file name belongs to: `<stream>[-anything]` and the suffix of a format."""
    named = split_name(name)
    if named is None:
        return None
    stream, _, _ = named[0].partition("-")
    return stream if stream in streams else None


def _files_by_stream(
    folder: Path, streams: list[str], warnings: list[str], landing: Path
) -> dict[str, tuple[ExtractFile, ...]]:
    found: dict[str, list[ExtractFile]] = defaultdict(list)
    names = set()
    for path in _listed(folder, warnings, landing):
        names.add(path.name)
        stream = stream_of(path.name, streams)
        if stream is not None:
            file = _stated(path)
            found[stream] += [file] if file else []
        elif path.name.endswith(_UNFINISHED):
            warnings.append(f"{_relative(path, landing)}: not finished; ignored")
        elif path.name != MANIFEST:
            warnings.append(f"{_relative(path, landing)}: not the name of an extract file; ignored")
    if MANIFEST in names:
        try:
            listed = read_manifest(folder) or {}
        except ExtractError as error:
            warnings.append(str(error))
            listed = {}
        for name in sorted(listed.keys() - names):
            stream = stream_of(name, streams)
            if stream is not None:
                found[stream].append(ExtractFile(folder / name, name, 0, 0, missing=True))
            else:
                told = f"lists {_printable(name)}, which belongs to no stream"
                warnings.append(f"{_relative(folder / MANIFEST, landing)}: {told}")
    # Bytewise, as the order of the copies of an event is defined.
    return {stream: tuple(sorted(files, key=lambda file: os.fsencode(file.name))) for stream, files in found.items()}


def _stated(path: Path) -> ExtractFile | None:
    """A file with its size and time; None where it is gone since the folder was listed."""
    for look in (path.stat, path.lstat):  # a link to nothing: loading it will say so
        try:
            found = look()
        except FileNotFoundError:
            continue
        except OSError:
            return ExtractFile(path, _utf8(path.name), 0, 0)  # nor may it be read: loading it will say so
        return ExtractFile(path, _utf8(path.name), found.st_size, found.st_mtime_ns)
    return None


def _is_outside(folder: Path, landing: Path) -> bool:
    """Whether a folder that was listed leads out of the landing zone; one that is gone since leads nowhere."""
    try:
        return _leads_out(folder, landing)
    except FileNotFoundError:
        return False


_LINK_OUT = "a link that leads out of the landing zone"


def _leads_out(path: Path, landing: Path) -> bool:
    """Whether what a path leads to lies outside the landing zone, which may be a link itself. Raises OSError."""
    return not path.resolve(strict=True).is_relative_to(landing.resolve())


def _is_file_name(name: object) -> bool:
    """Whether a text of a manifest can be the name of a file in its folder."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        return False
    return not any("\ud800" <= char <= "\udfff" for char in name)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object of a manifest; two members of one name would say two things."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a name stands twice in an object")
    return members


def _listed(folder: Path, warnings: list[str], landing: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        warnings.append(f"{_relative(folder, landing)}: {error.strerror}; ignored")
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # nobody may look
        return False


def _date_of(folder: Path) -> date | None:
    if not _DATE.fullmatch(folder.name) or not _is_folder(folder):
        return None
    try:
        return date.fromisoformat(folder.name)
    except ValueError:
        return None


def _relative(path: Path, landing: Path) -> str:
    return _printable(path.relative_to(landing).as_posix())


def _place(path: Path) -> str:
    """<system>/<date>/<name>: a file of a date folder, relative to the landing zone."""
    return _printable("/".join(path.parts[-3:]))


_LONGEST_SHOWN = 100  # of a name that is none, so much is told


def _utf8(name: str) -> str:
    """A name as it is; bytes in it that are not valid UTF-8 become escapes, so that it can be stored."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _printable(name: str) -> str:
    """A name as it can be shown: what would break a line, or hide or turn what stands beside it, becomes an escape."""
    text = _utf8(name)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
