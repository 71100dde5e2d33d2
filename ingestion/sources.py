"""Where landing zone and lake lie and where each stream comes from, read from `sources.yaml` and the environment.

What belongs here: the data classes of the configuration and the reading of its YAML, with errors that name file and
line. What does not: the reading of a source (`database.py`, `storage.py`). Nothing is connected to, and no secret is
looked up: the configuration holds the names of environment variables, never what is in them.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import yaml

from ingestion.contract import Stream, load_contracts
from ingestion.home import Home

# A variable of the environment, as a URL names it.
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_PASSWORD = re.compile(r"^[^:/?#]+://[^:/]*:(?P<password>[^@]*)@")  # as SQLAlchemy has it: an @ may be in a user's name
# Not libpq's `passfile`, which names a file.
_PASSWORD_OPTION = re.compile(r"[?&](?!passfile=)[^=&]*pass[^=&]*=(?P<password>[^&]*)", re.IGNORECASE)
_SCHEME = re.compile(r"^([a-z]+(?:\+[a-z0-9]+)?)://")
# The driver of each database: SQLAlchemy would take another one than is installed. Of no other is it known what its
# messages tell of a row.
DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "sqlite": "sqlite",
}
BEGINNINGS = ", ".join(f"{name}://" for name in DRIVERS if name != "postgres")

ALLOW_HTTP = "allow_http"
# What can be said of a bucket beside its URL, and what the clients call it, by scheme; the rest is theirs to find in
# the environment.
_BUCKET_OPTIONS = {
    "s3": {
        "region": "aws_region",
        "endpoint": "aws_endpoint",
        "access_key_id": "aws_access_key_id",
        "secret_access_key": "aws_secret_access_key",
        "session_token": "aws_session_token",
        "virtual_hosted_style_request": "aws_virtual_hosted_style_request",
        "skip_signature": "aws_skip_signature",
        "allow_http": ALLOW_HTTP,
    },
    "gs": {
        "service_account": "google_service_account",
        "service_account_key": "google_service_account_key",
        "application_credentials": "google_application_credentials",
        "skip_signature": "google_skip_signature",
    },
    "az": {
        "account_name": "azure_storage_account_name",
        "account_key": "azure_storage_account_key",
        "sas_key": "azure_storage_sas_key",
        "tenant_id": "azure_storage_tenant_id",
        "client_id": "azure_storage_client_id",
        "client_secret": "azure_storage_client_secret",
        "endpoint": "azure_storage_endpoint",
        "skip_signature": "azure_skip_signature",
        "allow_http": ALLOW_HTTP,
    },
}
# With other ones of these, a bucket of the same name is another bucket; beside each what says it in the environment.
_WHOSE = {
    "aws_endpoint": "AWS_ENDPOINT_URL",
    "azure_storage_endpoint": "AZURE_STORAGE_ENDPOINT",
    "azure_storage_account_name": "AZURE_STORAGE_ACCOUNT_NAME",
}
_SECRET_OPTIONS = (
    "secret_access_key",
    "session_token",
    "service_account_key",
    "account_key",
    "sas_key",
    "client_secret",
)
_BUCKET_URL = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[A-Za-z0-9._-]+)(?P<prefix>(?:/[^/]+)*)/?")
# What needs no escape in a URL: the clients do not agree on how often a name is escaped.
_PREFIX = re.compile(r"[A-Za-z0-9._=/-]*")


_PLACES = ("landing", "lake")


class SourcesError(Exception):
    """The configuration cannot be read; the message has a line for each error, that names file, line and cause."""


@dataclass(frozen=True)
class DatabaseSource:
    """A stream that is read from a table or a query of a database, day by day of its receive time."""

    url: str  # with ${VARIABLE} for what is secret
    table: str | None = None
    query: str | None = None
    received_at: str | None = None  # the column of the receive time; None: a snapshot, the table as it is
    first: date | None = None  # the first extract date
    last: date | None = None  # the last one; None: there is no end
    key: tuple[str, ...] = ()  # columns that order rows of one receive time; by default those of the row's identity
    columns: tuple[tuple[str, str], ...] = ()  # (field, column) where the names differ
    ignore: tuple[str, ...] = ()  # columns that are not read
    grace_minutes: int = 15  # after the end of a day, until it is read: for transactions that were open at its end
    # Days back from the newest that are counted again each night. A week: what a replica that lags, an outage of a
    # writer or a backfill adds to a day comes within it, and each of the counts is a scan of an index.
    recheck_days: int = 7
    connect_timeout: int = 10  # seconds
    statement_timeout: int = 600  # seconds, for each statement and each piece of rows
    retries: int = 4  # of what is transient
    said_at: str = field(default="", compare=False)  # as errors name what names it: the file's line, and the stream

    def __str__(self) -> str:
        """The source as people are told of it; of the URL nothing."""
        what = f"the table {self.table}" if self.table else "a query"
        when = f"by {self.received_at}, from {self.first}" if self.received_at else "as it is, once a day"
        end = f" to {self.last}" if self.last else " on" if self.received_at else ""
        return f"{what} of a database, {when}{end}"


@dataclass(frozen=True)
class BucketSource:
    """A part of a bucket of S3 (or of what speaks as it does), Google Cloud Storage or Azure Blob Storage."""

    url: str  # s3://bucket/prefix, gs://… or az://container/…; with ${VARIABLE} for what the environment says
    options: tuple[tuple[str, str], ...] = ()  # as the clients call them, with ${VARIABLE} for what is secret
    retries: int = 10  # of what is transient, after pauses that grow up to 15 seconds: about a minute in all
    said_at: str = field(default="", compare=False)  # as errors name what names it: the file's line, or the variable

    def __str__(self) -> str:
        """The bucket as people are told of it."""
        return self.url


@dataclass(frozen=True)
class Sources:
    """What does not lie in folders of the home: streams, and the landing zone or the lake."""

    databases: Mapping[tuple[str, str], DatabaseSource] = field(default_factory=dict)  # by system and stream
    landing: BucketSource | None = None
    lake: BucketSource | None = None


def load_sources(home: Home) -> Sources:
    """The configuration of a home; where there is none, everything is in its folders. Raises SourcesError.

    DAYBOOK_LANDING and DAYBOOK_LAKE take the place of what the file says of landing and lake, options included.
    """
    sources = _read(home)
    named = (_named_bucket(f"DAYBOOK_{name.upper()}") for name in _PLACES)
    landing, lake = (bucket or of_file for bucket, of_file in zip(named, (sources.landing, sources.lake), strict=True))
    if landing and lake and _overlap(landing, lake):
        said = lake if lake.said_at.startswith("DAYBOOK_") else landing  # what the environment says is newer
        other = "landing" if said is lake else "lake"
        raise SourcesError(f"{said.said_at}: overlaps with the {other}; each needs a part of a bucket for itself")
    return replace(sources, landing=landing, lake=lake)


def check_environment(sources: Sources) -> None:
    """Raise SourcesError, with a line for each variable that a source names and the environment does not have."""
    named = [(source.said_at, source.url) for source in sources.databases.values()]
    buckets = [bucket for bucket in (sources.landing, sources.lake) if bucket]
    named += [(bucket.said_at, text) for bucket in buckets for text in (bucket.url, *dict(bucket.options).values())]
    missing = {
        f"{said_at}: the environment has no variable {variable}": None
        for said_at, text in named
        for variable in VARIABLE.findall(text)
        if not os.environ.get(variable)
    }
    if missing:
        raise SourcesError("\n".join(missing))


def _named_bucket(variable: str) -> BucketSource | None:
    url = os.environ.get(variable)
    if not url:
        return None
    faults = _faults_of_bucket(url)
    if faults:
        raise SourcesError("\n".join(f"{variable}: {fault}" for fault in faults))
    return BucketSource(url, said_at=variable)


def _overlap(one: BucketSource, other: BucketSource) -> bool:
    """Whether one lies in the other, or both are the same. What is in a variable is compared, and not told."""

    def filled_in(text: str) -> str:
        return VARIABLE.sub(lambda variable: os.environ.get(variable[1], variable[0]), text).rstrip("/")

    def whose(bucket: BucketSource) -> list[str]:
        said = dict(bucket.options)
        return [filled_in(said.get(name) or os.environ.get(variable, "")) for name, variable in _WHOSE.items()]

    if whose(one) != whose(other):
        return False
    first, second = (f"{filled_in(bucket.url)}/" for bucket in (one, other))
    return first.startswith(second) or second.startswith(first)


def _read(home: Home) -> Sources:
    path = home.sources
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if os.environ.get("DAYBOOK_SOURCES"):
            raise SourcesError(f"{path}: no such file, and DAYBOOK_SOURCES names it") from None
        return Sources()
    except (OSError, UnicodeDecodeError) as error:
        raise SourcesError(f"{path}: {getattr(error, 'strerror', None) or 'not valid UTF-8'}") from error
    return _Reader(path.name).read(text)


@dataclass(frozen=True)
class _Entry:
    """A member of a mapping: the line of its name, and its value, which may begin on the next one or be an alias."""

    line: int
    node: yaml.Node


class _Reader:
    """Reads one file, and notes every error on the way."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._errors: list[tuple[int, str]] = []
        self._checked: list[yaml.Node] = []

    def read(self, text: str) -> Sources:
        loader = yaml.SafeLoader(text)
        databases: dict[tuple[str, str], DatabaseSource] = {}
        places: dict[str, BucketSource | None] = {}
        try:
            root = loader.get_single_node()
            self._loader = loader
            if root is not None:
                for name, entry in self.entries(root, "").items():
                    if name in _PLACES:
                        places[name] = self._bucket(name, entry)
                    else:
                        databases |= self._system(name, entry)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._errors.append((mark.line + 1 if mark else 1, error.problem or "not valid YAML"))
        except yaml.YAMLError as error:
            self._errors.append((1, f"not valid YAML: {str(error).splitlines()[0]}"))
        finally:
            loader.dispose()
        if self._errors:
            raise SourcesError("\n".join(f"{self._name}:{line}: {told}" for line, told in sorted(self._errors)))
        return Sources(databases, **places)

    def _bucket(self, name: str, entry: _Entry) -> BucketSource | None:
        """Where landing zone or lake lie: a URL, or a URL with options."""
        given = self.entries(entry.node, name) if isinstance(entry.node, yaml.MappingNode) else {"url": entry}
        options = _Options(self, name, entry.line, given)
        url = options.text("url")
        known: dict[str, str] = {}
        if url is not None:
            faults = _faults_of_bucket(url)
            for fault in faults:
                options.note("url", fault)
            known = _BUCKET_OPTIONS.get(url.partition("://")[0], {})
        of_client = {}
        for option, (line, value) in options.settings("options").items():
            if VARIABLE.fullmatch(value) is None and (option in _SECRET_OPTIONS or "@" in value):
                told = "a secret stands in the file; name an environment variable instead: ${NAME}"
                self.note(line, f"{name}: {option}: {told}")
            elif known and option not in known:
                self.note(line, f"{name}: unknown option {_shown(option, known)}")
            else:
                of_client[known.get(option, option)] = value
        retries = options.number("retries", BucketSource("").retries, least=0)
        options.done()
        if not url:
            return None
        return BucketSource(url, tuple(of_client.items()), retries, f"{self._name}:{entry.line}: {name}")

    def _system(self, system: str, entry: _Entry) -> dict[tuple[str, str], DatabaseSource]:
        contracts = load_contracts()
        if system not in contracts:
            self.note(entry.line, f"no system is called {_shown(system, {*contracts, *_PLACES})}")
            return {}
        found = {}
        for name, options in self.entries(entry.node, system).items():
            streams = {stream.name: stream for stream in contracts[system].streams}
            if name not in streams:
                self.note(options.line, f"{system} has no stream {_shown(name, streams)}")
                continue
            source = self._source(f"{system}.{name}", streams[name], options)
            if source is not None:
                found[system, name] = source
        return found

    def _source(self, place: str, stream: Stream, entry: _Entry) -> DatabaseSource | None:
        options = _Options(self, place, entry.line, self.entries(entry.node, place))
        kind = options.choice("kind", ("database", "files"))
        if kind != "database":
            if kind is not None:
                options.done()
            return None
        before = len(self._errors)
        url = options.text("url")
        if url is not None:
            for fault in faults_of_url(url):
                options.note("url", fault)
        table, query = options.optional_text("table"), options.optional_text("query")
        if (table is None) == (query is None):
            options.note(None, "needs one of table and query")
        received_at, first = options.optional_text("received_at"), options.optional_date("from")
        last = options.optional_date("to")
        if not options.has("received_at") and not stream.snapshot:
            options.note(None, "received_at is missing: the column with the time at which a row was received")
        if options.has("received_at") and not options.has("from"):
            options.note(None, "from is missing: the first extract date")
        if options.has("from") and not options.has("received_at"):
            options.note("from", "from goes with received_at; without it the table is read as it is, once a day")
        if first and last and last < first:
            options.note("to", f"to is before from: {last} is earlier than {first}")
        fields = {f.name for f in stream.batch or stream.envelope}
        columns = options.texts_by_name("columns")
        for name in columns:
            if name not in fields:
                options.note("columns", f"{stream.name} has no field {_shown(name, fields)}")
        for column in sorted({*columns.values()}):
            named = sorted(name for name, given in columns.items() if given == column)
            if len(named) > 1:
                told = f"the column {column} is given to {' and '.join(named)}; a query can name it twice"
                options.note("columns", told)
        defaults = DatabaseSource("")
        source = DatabaseSource(
            url=url or "",
            table=table,
            query=query.strip().rstrip(";") if query else None,
            received_at=received_at,
            first=first,
            last=last,
            key=options.texts("key"),
            columns=tuple(columns.items()),
            ignore=options.texts("ignore"),
            grace_minutes=options.number("grace_minutes", defaults.grace_minutes, least=0),
            recheck_days=options.number("recheck_days", defaults.recheck_days, least=0),
            connect_timeout=options.number("connect_timeout", defaults.connect_timeout, least=1),
            statement_timeout=options.number("statement_timeout", defaults.statement_timeout, least=1),
            retries=options.number("retries", defaults.retries, least=0),
            said_at=f"{self._name}:{entry.line}: {place}",
        )
        options.done()
        return source if len(self._errors) == before else None

    def entries(self, node: yaml.Node, place: str) -> dict[str, _Entry]:
        """The members of a mapping, by name; what a merge key brings along is in it."""
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
            return {}
        if not isinstance(node, yaml.MappingNode):
            told = f"{place}: expected a mapping" if place else "expected a mapping of systems"
            self.note(_line(node), told)
            return {}
        own: set[str] = set()
        # Once: by then what a merge key brought along stands among its own members.
        for key, _ in node.value if node not in self._checked else ():
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in own:
                    self.note(_line(key), f"{place + ': ' if place else ''}{key.value} is given twice")
                own.add(key.value)
        self._checked.append(node)
        self._loader.flatten_mapping(node)
        entries: dict[str, _Entry] = {}
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                entries[key.value] = _Entry(_line(key), value)
            else:
                self.note(_line(key), f"{place}: a name is expected")
        return entries

    def value(self, node: yaml.Node) -> Any:
        try:
            return self._loader.construct_object(node, deep=True)
        except ValueError:  # 2026-01-32
            return None

    def note(self, line: int, told: str) -> None:
        self._errors.append((line, told))


class _Options:
    """The options of one stream. Knows which were asked for: one that nobody knows is an error."""

    def __init__(self, reader: _Reader, place: str, line: int, entries: dict[str, _Entry]) -> None:
        self._reader = reader
        self._place = place
        self._line = line
        self._entries = entries
        self._asked: list[str] = []

    def note(self, option: str | None, told: str) -> None:
        entry = self._entries.get(option) if option else None
        self._reader.note(entry.line if entry else self._line, f"{self._place}: {told}")

    def has(self, name: str) -> bool:
        return name in self._entries

    def _get(self, name: str, kind: type, what: str, from_text: Callable[[str], Any] = str) -> Any:
        self._asked.append(name)
        if name not in self._entries:
            return None
        value = self._reader.value(self._entries[name].node)
        if type(value) is str:
            with suppress(ValueError):
                value = from_text(value)
        if type(value) is kind:
            return value
        self.note(name, f"{name} must be {what}")
        return None

    def optional_text(self, name: str) -> str | None:
        value: str | None = self._get(name, str, "a text")
        if value is not None and not value.strip():
            self.note(name, f"{name} is empty")
        return value

    def text(self, name: str) -> str | None:
        value = self.optional_text(name)
        if name not in self._entries:
            self.note(None, f"{name} is missing")
        return value

    def choice(self, name: str, choices: Sequence[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            self.note(name, f"{name} is {value!r}; it can be {' or '.join(choices)}")
            return None
        return value

    def optional_date(self, name: str) -> date | None:
        value: date | None = self._get(name, date, "a date as YYYY-MM-DD", from_text=date.fromisoformat)
        return value

    def number(self, name: str, default: int, least: int) -> int:
        value: int | None = self._get(name, int, "a whole number")
        if value is not None and value < least:
            self.note(name, f"{name} must be {least} or more")
        return default if value is None else value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._get(name, list, "a list of names") or []
        if not all(isinstance(item, str) for item in value):
            self.note(name, f"{name} must be a list of names")
            return ()
        return tuple(value)

    def settings(self, name: str) -> dict[str, tuple[int, str]]:
        """A mapping of names to texts, numbers or truth values, with the line of each: as texts."""
        self._asked.append(name)
        found = {}
        if name in self._entries:
            for option, entry in self._reader.entries(self._entries[name].node, f"{self._place}: {name}").items():
                value = self._reader.value(entry.node)
                if isinstance(value, str | bool | int):
                    found[option] = entry.line, value if isinstance(value, str) else str(value).lower()
                else:
                    self._reader.note(entry.line, f"{self._place}: {option} must be a text")
        return found

    def texts_by_name(self, name: str) -> dict[str, str]:
        entry = self._entries.get(name)
        if entry is not None and isinstance(entry.node, yaml.MappingNode):
            self._reader.entries(entry.node, f"{self._place}: {name}")  # notes what is given twice
        value = self._get(name, dict, "a mapping of fields to columns") or {}
        if not all(isinstance(item, str) for pair in value.items() for item in pair):
            self.note(name, f"{name} must be a mapping of fields to columns")
            return {}
        return dict(value)

    def done(self) -> None:
        for name in self._entries:
            if name not in self._asked:
                self.note(name, f"unknown option {_shown(name, self._asked)}")


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def faults_of_url(url: str) -> list[str]:
    """What is wrong with a URL, never telling what stands in it."""
    faults = []
    if _has_literal_password(url):
        faults.append("a password stands in the url; name an environment variable instead: ${NAME}")
    scheme = _SCHEME.match(VARIABLE.sub("", url))
    if VARIABLE.fullmatch(url) is None and (scheme is None or scheme[1] not in {*DRIVERS, *DRIVERS.values()}):
        faults.append(f"the url must begin with {BEGINNINGS}")
    if "${" in VARIABLE.sub("", url):
        faults.append("a variable in the url is written ${NAME}")
    return faults


def _faults_of_bucket(url: str) -> list[str]:
    """What is wrong with the URL of a bucket, never telling what stands in it."""
    if "@" in url or "?" in url:
        return ["a url has no credentials in it; the client finds them in the environment, or in options as ${NAME}"]
    if "${" in VARIABLE.sub("", url):
        return ["a variable in the url is written ${NAME}"]
    found = _BUCKET_URL.fullmatch(VARIABLE.sub("x", url))
    if not url.startswith(tuple(f"{scheme}://" for scheme in _BUCKET_OPTIONS)) or found is None:
        return ["the url must be s3://bucket, gs://bucket or az://container, with /a/prefix where there is one"]
    if _PREFIX.fullmatch(found["prefix"]) is None or {".", ".."} & {*found["prefix"].split("/")}:
        return ["a prefix is made of letters, digits and ._=-"]
    return []


def _has_literal_password(url: str) -> bool:
    found = [_PASSWORD.match(url), *_PASSWORD_OPTION.finditer(url)]
    return any(match is not None and VARIABLE.sub("", match["password"]) for match in found)


def _shown(name: str, known: Mapping[str, object] | Sequence[str] | set[str]) -> str:
    """A name that nobody knows, and the one that may be meant."""
    near = difflib.get_close_matches(name, sorted(known), 1)
    return f'"{name}"' + (f'; is "{near[0]}" meant?' if near else f"; known are {', '.join(sorted(known))}")
