"""Where landing zone and lake lie: in folders of the home, or in a bucket of S3, Google Cloud Storage or Azure.

What belongs here: listing, asking about, reading and writing the objects of a bucket, under the names that `pathlib`
has for it, so that whoever reads a folder reads a bucket too. What does not: what the files are (`extracts.py`,
`lake.py`), and which bucket it is (`sources.py`).

What a bucket refuses is an OSError, as from a disk; its words are ours, for those of a client may hold what a URL was
signed with.
"""

from __future__ import annotations

import errno
import fnmatch
import functools
import io
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar

import fsspec
import obstore
from deltalake.exceptions import DeltaError
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from ingestion.home import Home
from ingestion.privacy import in_short
from ingestion.sources import ALLOW_HTTP, VARIABLE, BucketSource, load_sources

# Bytes that are asked for at a time: few requests, and each is over long before a client gives up on it.
BLOCK = 8 * 1024 * 1024
# So many requests are under way at a time where they are many and small.
AT_A_TIME = 16
# What DuckDB reads of a Parquet file, column by column, is smaller; neighbours are fetched with it.
_RANDOM_BLOCK = 1024 * 1024

# Of what a client says, this much is told.
_STATUS = re.compile(r"status code\W+(\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|\"error\": ?\"(\w+)\"")
_RETRIES = re.compile(r"after (\d+) retries")
_BAD_NAME = re.compile(r'Path "(.*?)"', re.DOTALL)
_LONGEST_NAME = 100
_COLOUR = re.compile(r"\x1b\[\d*m")
# Where a client asks for credentials when the environment has none: the machine that it runs on.
_CREDENTIALS = re.compile(r"169\.254\.169\.254|169\.254\.170\.|metadata\.google\.internal|[Cc]redential|Missing\w*Key")
_UNREACHED = re.compile(r"error sending request|[Cc]onnect|dns error|timed out|HTTP error")

# What passes by itself is asked for again as often as the configuration says, and after this no more: a store may take
# half a minute each time to say nothing. (That, and 5 seconds to connect, are the limits of both clients; to set them
# here would have obstore forget what the environment says of its client.)
_RETRY_FOR = timedelta(seconds=90)

_T = TypeVar("_T")
_S = TypeVar("_S")


class StorageError(Exception):
    """A bucket that cannot be used; the message names the place in it, and the cause."""


@dataclass(frozen=True)
class ObjectStat:
    """An object as it is now; with the names that `os.stat_result` has for it."""

    st_size: int
    st_mtime_ns: int
    etag: str | None  # another one, another version; without quotes; None where the store gives none


@dataclass(frozen=True)
class Bucket:
    """A part of a bucket: what lies below its URL."""

    source: BucketSource

    @functools.cached_property
    def url(self) -> str:
        """The URL, with what the environment says, and no slash at its end. Raises StorageError."""
        return _filled_in(self.source.url, self.source.url).rstrip("/")

    @functools.cached_property
    def store(self) -> ObjectStore:
        """The client. Nothing is asked of the store yet. Raises StorageError."""
        options = self._options
        client: Any = {name: value == "true" for name, value in options.items() if name == ALLOW_HTTP}
        config: Any = {name: value for name, value in options.items() if name != ALLOW_HTTP}
        retries: Any = {"max_retries": self.source.retries, "retry_timeout": _RETRY_FOR}
        try:
            # An empty one would be taken for all that there is to say, whatever the environment says.
            return from_url(self.url, config=config, client_options=client or None, retry_config=retries)
        except (BaseError, ValueError) as error:
            raise StorageError(f"{self.url}: {_in_words(error)}") from None

    @property
    def delta_options(self) -> dict[str, str]:
        """What delta-rs has to be told to reach it: the same. Raises StorageError."""
        retries = {"max_retries": str(self.source.retries), "retry_timeout": f"{_RETRY_FOR.seconds}s"}
        return {**self._options, **retries}

    @property
    def _options(self) -> dict[str, str]:
        return {name: _filled_in(value, self.source.url) for name, value in self.source.options}


# What a listing found in a folder, by name: an object, a folder with what is in it, or one that was not looked into.
_Tree = dict[str, "ObjectStat | _Tree | None"]


@dataclass(frozen=True)
class BucketPath:
    """An object of a bucket, or a folder, which is no more than the beginning of names. Like a `pathlib.Path`."""

    bucket: Bucket
    key: str = ""  # below the bucket's URL; "" is the place itself
    # What a listing knew of it: two paths are the same without.
    listed: ObjectStat | _Tree | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        """The URL."""
        return f"{self.bucket.url}/{self.key}".rstrip("/")

    def __truediv__(self, name: str | PurePosixPath) -> BucketPath:
        """What lies below, under a name or some of them."""
        known = self.listed.get(str(name)) if isinstance(self.listed, dict) else None
        key = str(PurePosixPath(self.key, name))
        return BucketPath(self.bucket, "" if key == "." else key, known)

    def __lt__(self, other: BucketPath) -> bool:
        """In the order of names."""
        return self.key < other.key

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self.key.rpartition("/")[2] or self.bucket.url.rpartition("/")[2]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the name, below the bucket's URL."""
        return tuple(self.key.split("/")) if self.key else ()

    @property
    def parent(self) -> BucketPath:
        """The folder that it is in."""
        return BucketPath(self.bucket, self.key.rpartition("/")[0])

    def relative_to(self, other: BucketPath) -> PurePosixPath:
        """The name below a folder that it is in."""
        return PurePosixPath(self.key).relative_to(other.key)

    # Listing

    def with_all(self, only: str | None = None) -> BucketPath:
        """This folder, with all that is in it at any depth, listed now: page after page, a thousand names in each.

        `only` is the one folder in it that is of interest. Raises OSError. Where a name cannot be the name of a file,
        the client gives up on the whole listing: then folders are listed when they are looked into.
        """
        prefix = (self / only if only else self).key or None
        try:
            tree: _Tree = {}
            for page in self._asked(lambda: obstore.list(self.bucket.store, prefix)):
                for found in page:
                    *folders, name = found["path"][len(self.key) :].strip("/").split("/")
                    inner = tree
                    for folder in folders:
                        child = inner.get(folder)
                        child = child if isinstance(child, dict) else {}
                        inner[folder], inner = child, child
                    if name and not isinstance(inner.get(name), dict):  # without a name: what marks this folder itself
                        inner[name] = _file_or_folder(found)
            return BucketPath(self.bucket, self.key, tree)
        except BadNameError:
            return self

    def iterdir(self) -> Iterator[BucketPath]:
        """What is in the folder. Raises OSError, also where a name in it cannot be the name of a file."""
        tree = self.listed if isinstance(self.listed, dict) else self._children()
        return (BucketPath(self.bucket, f"{self.key}/{name}".lstrip("/"), known) for name, known in tree.items())

    def _children(self) -> _Tree:
        found = self._asked(lambda: [obstore.list_with_delimiter(self.bucket.store, self.key or None)])
        tree: _Tree = {}
        for listed in found:
            # An object of the folder's own name is what marks it.
            inside = (meta for meta in listed["objects"] if meta["path"] != self.key)
            tree |= {meta["path"].rpartition("/")[2]: _file_or_folder(meta) for meta in inside}
            tree |= dict.fromkeys(prefix.rstrip("/").rpartition("/")[2] for prefix in listed["common_prefixes"])
        return tree

    def is_dir(self) -> bool:
        """Whether anything lies below it. Raises OSError."""
        if self.listed is not None:
            return isinstance(self.listed, dict)
        try:
            return any(True for _ in self._pages())
        except BadNameError:
            return True

    def rglob(self, pattern: str) -> Iterator[BucketPath]:
        """The objects below it at any depth, whose last name matches. Raises OSError."""
        for page in self._pages():
            for found in page:
                if fnmatch.fnmatchcase(found["path"].rpartition("/")[2], pattern):
                    yield BucketPath(self.bucket, found["path"], stat_of(found))

    def glob(self, pattern: str) -> Iterator[BucketPath]:
        """What is in the folder itself, and whose name matches. Raises OSError."""
        return (path for path in self.iterdir() if fnmatch.fnmatchcase(path.name, pattern))

    def newest_after(self, name: str) -> tuple[str, str | None] | None:
        """The last of the JSON objects in the folder whose names come after one, and its ETag. Raises OSError."""
        pages = self._asked(lambda: obstore.list(self.bucket.store, self.key, offset=f"{self.key}/{name}"))
        found = (BucketPath(self.bucket, meta["path"], stat_of(meta)) for page in pages for meta in page)
        newest = max((path for path in found if path.name.endswith(".json") and path.name > name), default=None)
        return (newest.name, newest.listed.etag) if newest and isinstance(newest.listed, ObjectStat) else None

    def _pages(self) -> Iterator[Any]:
        return self._asked(lambda: (page for page in obstore.list(self.bucket.store, self.key or None) if page))

    # Objects

    def stat(self) -> ObjectStat:
        """The object as it is now. Raises OSError."""
        try:
            return stat_of(self._ask(lambda: obstore.head(self.bucket.store, self.key)))
        except FileNotFoundError:
            if any(True for _ in self._pages()):
                raise IsADirectoryError(errno.EISDIR, "a directory where a file is expected", str(self)) from None
            raise

    def exists(self) -> bool:
        """Whether there is such an object, or anything below it. Raises OSError."""
        try:
            self.stat()
        except IsADirectoryError:
            return True
        except (FileNotFoundError, BadNameError):
            return False
        return True

    def open(self, mode: str = "rb", buffering: int = BLOCK) -> io.BufferedReader:
        """Read the object as it is now, block by block; if it changes meanwhile, reading fails. Raises OSError."""
        return io.BufferedReader(_Reader(self, self.stat()), buffering)

    def read_bytes(self, etag: str | None = None) -> bytes:
        """All of it, for what is known to be small; in the version of the ETag, if one is given. Raises OSError."""
        options: Any = {"if_match": f'"{etag}"'} if etag else None
        return bytes(self._ask(lambda: obstore.get(self.bucket.store, self.key, options=options).bytes()))

    def read_text(self) -> str:
        """The same, as text. Raises OSError."""
        return self.read_bytes().decode()

    def block(self, start: int, end: int, etag: str | None) -> memoryview:
        """Some bytes of the version that has the ETag. Raises OSError."""
        options: Any = {"range": (start, end)} | ({"if_match": f'"{etag}"'} if etag else {})
        block = memoryview(self._ask(lambda: obstore.get(self.bucket.store, self.key, options=options).bytes()))
        if len(block) != end - start:
            raise OSError(errno.EIO, f"the store sent {len(block):,} bytes of {end - start:,}", str(self))
        return block

    def write_bytes(self, content: bytes | Path) -> None:
        """Put an object there, whole or not at all; a file in parts, so that memory is bounded. Raises OSError."""
        self._ask(lambda: obstore.put(self.bucket.store, self.key, content))

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete the object. That there is none is no error. Raises OSError."""
        self._ask(lambda: obstore.delete(self.bucket.store, self.key))

    def fetch(self, path: Path) -> None:
        """Copy the object to a file, whole or not at all. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
        try:
            with self.open() as source, draft.open("wb") as file:
                shutil.copyfileobj(source, file, BLOCK)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            error.filename = error.filename or str(draft)  # of a disk that is full, nothing else says which
            raise
        finally:
            draft.unlink(missing_ok=True)

    # Asking

    def _ask(self, request: Callable[[], _T]) -> _T:
        try:
            return request()
        except (BaseError, OSError, ValueError) as error:
            raise _as_os_error(error, self) from None

    def _asked(self, request: Callable[[], Iterable[_T]]) -> Iterator[_T]:
        try:
            yield from request()
        except (BaseError, OSError, ValueError) as error:
            raise _as_os_error(error, self) from None


Location = Path | BucketPath


def landing_of(home: Home) -> Location:
    """Where the extracts of a home lie. Nothing is asked of a bucket. Raises SourcesError."""
    source = load_sources(home).landing
    return BucketPath(Bucket(source)) if source else home.landing


def lake_of(home: Home) -> Location:
    """Where the lake of a home lies. Nothing is asked of a bucket. Raises SourcesError."""
    source = load_sources(home).lake
    return BucketPath(Bucket(source)) if source else home.lake


def at_once(work: Callable[[_S], _T], items: Iterable[_S], place: Location) -> Iterator[_T]:
    """What comes of each item, in their order. A bucket is asked for many at a time: each answer is long to come."""
    if isinstance(place, Path):
        yield from map(work, items)
        return
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(work, items)


@contextmanager
def told(place: Location) -> Iterator[None]:
    """Tell what a bucket refuses, to whatever client, as a StorageError. What a disk refuses goes on as it is."""
    try:
        yield
    except (OSError, BaseError, DeltaError) as error:
        if isinstance(place, Path) or _is_of_disk(error):
            raise
        cause = (error.strerror if isinstance(error, OSError) else None) or _in_words(error)
        raise StorageError(f"{place}: {cause}") from None


def _is_of_disk(error: Exception) -> bool:
    """Whether the machine's own system refused something; a client's errors have no number, or name a URL."""
    return isinstance(error, OSError) and error.errno is not None and "://" not in str(error.filename)


class BadNameError(OSError):
    """Something is called as no file of a landing zone can be called."""


def stat_of(meta: Any) -> ObjectStat:
    """What the client says of an object."""
    at = meta["last_modified"]
    modified_ns = int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000
    etag = meta["e_tag"]
    # In a listing of Azure it stands without its quotes.
    return ObjectStat(meta["size"], modified_ns, etag and etag.strip('"'))


def _file_or_folder(meta: Any) -> ObjectStat | _Tree:
    """What a listing knows of an object; a console marks a folder by an empty one."""
    return stat_of(meta) if meta["size"] or "." in meta["path"].rpartition("/")[2] else {}


def _as_os_error(error: Exception, path: BucketPath) -> OSError:
    where = str(path)
    if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in str(error):
        return FileNotFoundError(errno.ENOENT, "no such object", where)
    if isinstance(error, InvalidPathError | ValueError):
        name = _BAD_NAME.search(str(error))
        shown = f": {ascii(name[1])[:_LONGEST_NAME]}" if name else ""
        return BadNameError(errno.EINVAL, f"a name that cannot be a file's{shown}", where)
    if isinstance(error, PermissionDeniedError):
        return PermissionError(errno.EACCES, f"access is denied ({_in_words(error)})", where)
    if isinstance(error, UnauthenticatedError):
        return PermissionError(errno.EACCES, f"the credentials are not accepted ({_in_words(error)})", where)
    if isinstance(error, PreconditionError):
        return OSError(errno.ESTALE, "changed while it was read", where)
    if isinstance(error, OSError) and error.strerror:
        return error
    return OSError(errno.EIO, _in_words(error), where)


def _in_words(error: Exception) -> str:
    """What a client says, without its URLs: the status, the store's own word for it, how often it was tried."""
    said = _COLOUR.sub("", str(error)).partition("Debug source")[0]
    status, code, retries = _STATUS.search(said), _CODE.search(said), _RETRIES.search(said)
    if _CREDENTIALS.search(said) and not code:
        return "there are no credentials in the environment that the store takes"
    if status:
        words = f"the store answers {status[1]}" + (f" {next(filter(None, code.groups()))}" if code else "")
    elif _UNREACHED.search(said):
        words = "the store cannot be reached"
    else:
        words = f"{type(error).__name__}: {in_short(re.sub(r'[a-z0-9]+://[^ ]*', '…', said))}"
    return words + (f", after {retries[1]} retries" if retries else "")


def _filled_in(text: str, place: str) -> str:
    """A text of the configuration with what the environment says. Raises StorageError."""

    def value(variable: re.Match[str]) -> str:
        if variable[1] not in os.environ:
            raise StorageError(f"{place}: the environment has no variable {variable[1]}")
        return os.environ[variable[1]]

    return VARIABLE.sub(value, text)


class _Reader(io.RawIOBase):
    """One version of an object, read by ranges of it."""

    def __init__(self, path: BucketPath, stat: ObjectStat) -> None:
        self._path, self._stat, self._at = path, stat, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stat.st_size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + min(len(buffer), BLOCK), self._stat.st_size)
        if end <= self._at:
            return 0
        block = self._path.block(self._at, end, self._stat.etag)
        buffer[: len(block)] = block
        self._at = end
        return len(block)


class OneFile(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """One version of one object, as a file system for DuckDB, which reads the parts of it that it needs.

    Whatever the object is called, DuckDB knows it by NAME alone: no name of an object is taken for a pattern.
    """

    protocol = "daybook"
    cachable = False
    NAME = "daybook://object"

    def __init__(self, path: BucketPath) -> None:
        """The object as it is now. Raises OSError."""
        super().__init__()
        self._object, self._stat = path, path.stat()
        self.error: OSError | None = None  # what the store refused: DuckDB tells it in other words

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """As fsspec has it."""
        return {"name": path, "size": self._stat.st_size, "type": "file"}

    def glob(self, path: str, **_: Any) -> list[str]:
        """There is one file."""
        return [path]

    def modified(self, path: str) -> Any:
        """Never, for it is one version."""
        return datetime.fromtimestamp(0, UTC)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> IO[bytes]:
        return io.BufferedReader(_Noting(self, self._object, self._stat), _RANDOM_BLOCK)


class _Noting(_Reader):
    """Notes what the store refused."""

    def __init__(self, of: OneFile, path: BucketPath, stat: ObjectStat) -> None:
        super().__init__(path, stat)
        self._of = of

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as error:
            self._of.error = error
            raise
