"""What lies in the landing zone, and which of it is new or changed; and the dates of streams that lie in a database.

The landing zone is a folder or a bucket; what is said of files holds of objects.

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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion.contract import load_contracts
from ingestion.home import Home
from ingestion.notes import keep_note, read_note
from ingestion.privacy import without_emails
from ingestion.readers import split_name
from ingestion.sources import DatabaseSource, load_sources
from ingestion.storage import BadNameError, BucketPath, Location, ObjectStat, at_once, landing_of, told

MANIFEST = "manifest.json"
# Of some ten thousand files; a longer one is not read.
_LARGEST_MANIFEST = 4 * 1024 * 1024
_TOO_LONG = f"longer than {_LARGEST_MANIFEST:,} bytes"
_USUAL_MANIFEST = 16 * 1024
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

    path: Location
    name: str
    size: int
    modified_ns: int
    missing: bool = False
    etag: str | None = None  # of an object

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
    def key(self) -> tuple[str, str, date]:
        """System, stream and date, as the ledger has them."""
        return self.system, self.stream, self.extract_date

    @property
    def folder(self) -> Location:
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
    etag: str | None = None  # of an object


@dataclass(frozen=True)
class ManifestEntry:
    """What a manifest says of a file: its rows, and the hash of the file as it lies."""

    rows: int
    sha256: str


def discover(home: Home, now: datetime | None = None, system: str | None = None) -> Discovery:
    """Everything in the landing zone, and every date of a database that has ended by `now`, sorted; or of one system.

    No database is asked. Raises SourcesError, and StorageError where a bucket cannot be listed.
    """
    streams = {name: [stream.name for stream in contract.streams] for name, contract in load_contracts().items()}
    databases = load_sources(home).databases
    extracts = [
        Extract(of, stream, day, database=source)
        for (of, stream), source in databases.items()
        if system in (None, of)
        for day in ended_dates(source, now or datetime.now(UTC))
    ]
    elsewhere: dict[tuple[str, str], int] = defaultdict(int)  # files of streams that are read from a database
    warnings: list[str] = []
    landing = landing_of(home)
    known = _KnownManifests(home.manifests)
    with told(landing):
        for name, day, by_stream in _look_through(landing, system, streams, warnings, known):
            for stream, files in by_stream.items():
                if (name, stream) in databases:
                    elsewhere[name, stream] += sum(not file.missing for file in files)
                else:
                    extracts.append(Extract(name, stream, day, files))
    if isinstance(landing, BucketPath):
        known.keep(all_others=system is not None)
    warnings += [
        f"{name}/*/{stream}*: {files:,} {'file' if files == 1 else 'files'}, but {home.sources.name} says that"
        f" {name}.{stream} is read from a database; ignored"
        for (name, stream), files in sorted(elsewhere.items())
        if files
    ]
    extracts.sort(key=lambda extract: (extract.extract_date, extract.system, extract.stream))
    return Discovery(extracts, [without_emails(warning) for warning in warnings])


def _look_through(
    landing: Location,
    only: str | None,
    streams: Mapping[str, list[str]],
    warnings: list[str],
    known: _KnownManifests,
) -> Iterator[tuple[str, date, dict[str, tuple[ExtractFile, ...]]]]:
    """The files of each system and date, by stream. Raises OSError where a bucket cannot be listed."""
    if isinstance(landing, BucketPath):
        landing = landing.with_all(only)

    def look_into(found: _DateFolder | str) -> tuple[dict[str, tuple[ExtractFile, ...]], list[str]]:
        if isinstance(found, str):
            return {}, [found]
        own: list[str] = []
        return _files_by_stream(found.folder, streams[found.system], own, landing, known), own

    folders = list(_date_folders(landing, only, streams))
    for found, (by_stream, own) in zip(folders, at_once(look_into, folders, landing), strict=True):
        warnings += own
        if isinstance(found, _DateFolder):
            yield found.system, found.day, by_stream


@dataclass(frozen=True)
class _DateFolder:
    system: str
    day: date
    folder: Location


def _date_folders(landing: Location, only: str | None, systems: Collection[str]) -> Iterator[_DateFolder | str]:
    """The folders of dates, and between them why other things are passed over."""
    warnings: list[str] = []
    for system in _systems(landing, only, systems, warnings):
        if only not in (None, system.name):
            continue
        if system.name not in systems or not _is_folder(system):
            yield f"{_relative(system, landing)}: not the folder of a system; ignored"
            continue
        if _is_outside(system, landing):
            yield f"{_relative(system, landing)}: {_LINK_OUT}; ignored"
            continue
        if isinstance(system, BucketPath) and system.listed is None:
            system = system.with_all()  # only what shares a folder with an odd name is listed folder by folder
        for folder in _listed(system, warnings, landing):
            day = _date_of(folder)
            if day is None:
                yield f"{_relative(folder, landing)}: not a folder of a date; ignored"
            elif not FIRST_DATE <= day <= LAST_DATE:
                odd = f"a date before {FIRST_DATE.year} or after {LAST_DATE.year}"
                yield f"{_relative(folder, landing)}: {odd}; ignored"
            elif _is_outside(folder, landing):
                yield f"{_relative(folder, landing)}: {_LINK_OUT}; ignored"
            else:
                yield _DateFolder(system.name, day, folder)
        yield from warnings
        warnings.clear()
    yield from warnings


def _systems(landing: Location, only: str | None, systems: Collection[str], warnings: list[str]) -> list[Any]:
    """What lies in the landing zone itself. Raises OSError where a bucket cannot be listed."""
    try:
        return _listed(landing, warnings, landing)
    except BadNameError as error:
        # Nothing tells what else lies beside such a name, so what is known to lie there is asked for.
        if only is None:
            warnings.append(f"{_printable(landing.name)}: {error.strerror}; ignored")
        return [folder for name in sorted(systems) if only in (None, name) and (folder := landing / name).is_dir()]


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
    checksum: Callable[[Location], str],
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
    files: tuple[ExtractFile, ...], recorded: tuple[RecordedFile, ...] | None, checksum: Callable[[Location], str]
) -> bool:
    """Whether the set of (name, size, time) differs from the recorded one; where only times differ, checksums decide.

    An object is another one when its ETag is: to be sure costs as much as to load it, and would every night.

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
            file.etag != known[file.name].etag
            if file.etag
            else file.modified_ns != known[file.name].modified_ns and checksum(file.path) != known[file.name].sha256
            for file in files
        )
    except OSError:
        return True  # loading it will say what is wrong with the file


def why_unreadable(path: Location, landing: Location) -> str | None:
    """Why a file of the landing zone may not be opened at all; None if it may.

    To open a pipe waits for somebody to write into it, a device has no end, and a link may lead anywhere.
    """
    try:
        if isinstance(path, BucketPath):
            path.stat()
            return None
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


def sha256_of(path: Location) -> str:
    """The hex SHA-256 of a file as it lies. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Location, known: _KnownManifests | None = None) -> dict[str, ManifestEntry] | None:
    """What the manifest of a date folder says, by file name; None where there is none. Raises ExtractError.

    One in a bucket is not read again where it is known.
    """
    path = folder / MANIFEST
    try:
        if isinstance(path, BucketPath):
            content = _manifest_of(path, known)
        else:
            content = _manifest_at(path, folder.parent.parent)
        if content is None:
            return None
        entries = json.loads(content, object_pairs_hook=_object)["files"]
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


def _manifest_at(path: Path, landing: Location) -> bytes | None:
    if not os.path.lexists(path):
        return None
    fault = why_unreadable(path, landing)
    if fault is None and path.stat().st_size > _LARGEST_MANIFEST:
        fault = _TOO_LONG
    if fault is not None:
        raise ExtractError(f"{_place(path)}: {fault}")
    return path.read_bytes()


def _manifest_of(path: BucketPath, known: _KnownManifests | None) -> bytes | None:
    try:
        found = path.listed if isinstance(path.listed, ObjectStat) else path.stat()
    except FileNotFoundError:
        return None
    if found.st_size > _LARGEST_MANIFEST:
        raise ExtractError(f"{_place(path)}: {_TOO_LONG}")
    if known is None or found.etag is None or found.st_size > _USUAL_MANIFEST:
        return path.read_bytes(found.etag)
    return known.read(path, found.etag)


class _KnownManifests:
    """Manifests of a bucket by their version, in a file: so each is read once, and not by every process and look.

    Only looks rely on it, to say what is missing; whoever loads an extract reads its manifest as it is then.
    """

    def __init__(self, file: Path) -> None:
        """What the file says; nothing where there is none, or none that can be read."""
        self._file = file
        self._seen: dict[str, tuple[str, str]] = {}
        self._before: dict[str, tuple[str, str]] = {}
        with suppress(ValueError, TypeError, AttributeError):
            kept = read_note(file).items()
            self._before = {str(url): (str(etag), str(content)) for url, (etag, content) in kept}

    def read(self, path: BucketPath, etag: str) -> bytes:
        """The manifest in that version. Raises OSError."""
        before, text = self._before.get(str(path), ("", ""))
        content = text.encode() if before == etag else path.read_bytes(etag)
        with suppress(UnicodeDecodeError):  # then it is no manifest, and is read again to say so
            self._seen[str(path)] = etag, content.decode()
        return content

    def keep(self, all_others: bool) -> None:
        """Write down what was seen, and if wanted what was known besides. Where nothing can be written, nothing is."""
        kept = self._before | self._seen if all_others else self._seen
        if kept == self._before:
            return
        keep_note(self._file, kept)


def verify(extract: Extract, landing: Location) -> dict[str, ManifestEntry] | None:
    """Check that every file may be read at all, and that the manifest lists what lies there. Raises ExtractError.

    A file that the manifest lists under a name of no stream may be a part of any: if it is missing, all of them fail.

    Returns the manifest; rows and hashes are compared while the files are read.
    """
    manifest = read_manifest(extract.folder)
    streams = [stream.name for stream in load_contracts()[extract.system].streams]
    for name in manifest or ():
        if stream_of(name, streams) is None and not is_anything(extract.folder / name):
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
    folder: Location, streams: list[str], warnings: list[str], landing: Location, known: _KnownManifests
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
            listed = read_manifest(folder, known) or {}
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


def is_anything(path: Location) -> bool:
    """Whether there is anything of the name, be it a link to nothing. Raises OSError."""
    return os.path.lexists(path) if isinstance(path, Path) else path.exists()


def _stated(path: Location) -> ExtractFile | None:
    """A file with its size and time; None where it is gone since the folder was listed."""
    if isinstance(path, BucketPath):
        known = path.listed
        if not isinstance(known, ObjectStat):
            return ExtractFile(path, path.name, 0, 0)  # a folder: loading it will say so
        return ExtractFile(path, path.name, known.st_size, known.st_mtime_ns, etag=known.etag)
    for look in (path.stat, path.lstat):  # a link to nothing: loading it will say so
        try:
            found = look()
        except FileNotFoundError:
            continue
        except OSError:
            return ExtractFile(path, _utf8(path.name), 0, 0)  # nor may it be read: loading it will say so
        return ExtractFile(path, _utf8(path.name), found.st_size, found.st_mtime_ns)
    return None


def _is_outside(folder: Location, landing: Location) -> bool:
    """Whether a folder that was listed leads out of the landing zone; one that is gone since leads nowhere."""
    if isinstance(folder, BucketPath) or isinstance(landing, BucketPath):
        return False
    try:
        return _leads_out(folder, landing)
    except FileNotFoundError:
        return False


_LINK_OUT = "a link that leads out of the landing zone"


def _leads_out(path: Path, landing: Location) -> bool:
    """Whether what a path leads to lies outside the landing zone, which may be a link itself. Raises OSError."""
    assert isinstance(landing, Path)
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


def _listed(folder: Location, warnings: list[str], landing: Location) -> list[Any]:
    """What lies in a folder, in order. What cannot be looked into is warned of.

    Raises OSError where a bucket cannot be listed, and where a name in a folder hides all else, but for one of a date:
    more than that may not be taken for gone.
    """
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        if isinstance(folder, BucketPath) and not (isinstance(error, BadNameError) and _depth(folder, landing) == 2):
            raise
        warnings.append(f"{_relative(folder, landing)}: {error.strerror}; ignored")
        return []


def _is_folder(path: Location) -> bool:
    try:
        return path.is_dir()
    except OSError:  # nobody may look
        return False


def _date_of(folder: Location) -> date | None:
    if not _DATE.fullmatch(folder.name) or not _is_folder(folder):
        return None
    try:
        return date.fromisoformat(folder.name)
    except ValueError:
        return None


def _relative(path: Location, landing: Location) -> str:
    return _printable(path.relative_to(landing).as_posix())  # type: ignore[arg-type]


def _depth(path: Location, landing: Location) -> int:
    return len(path.relative_to(landing).parts)  # type: ignore[arg-type]


def _place(path: Location) -> str:
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
