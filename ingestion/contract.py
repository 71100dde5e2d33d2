"""The declared form of the systems' events, read from `contracts/<system>.yaml`.

What belongs here: the data classes of a contract and the reading of its YAML, with errors that name file and place.
What does not: how rows are judged by it (`validation.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

CONTRACTS = Path(__file__).parent / "contracts"

FieldType = Literal[
    "text", "id", "uuid", "int", "decimal", "bool", "timestamp", "object", "list", "uuid_list", "number_or_text", "any"
]
Privacy = Literal["plain", "id", "free_text", "ip", "user_agent"]
# Why a row is rejected when it is loaded, in the order in which the checks run.
Reason = Literal[
    "malformed",
    "batch_too_large",
    "unknown_event_type",
    "missing_field",
    "invalid_field",
    "payload_too_large",
    "timestamp_out_of_range",
]
REASONS: tuple[Reason, ...] = get_args(Reason)
Keep = Literal["hash", "scrubbed"]
Kind = Literal["events", "batches", "reference"]

_TEXT_CLASSES: tuple[Privacy, ...] = ("free_text", "ip", "user_agent")

# How a field of a type is stored in a typed lake column.
COLUMN_TYPES: Mapping[str, str] = {
    "text": "VARCHAR",
    "id": "VARCHAR",
    "uuid": "VARCHAR",
    "int": "BIGINT",
    "decimal": "DECIMAL(18,6)",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMP",
    "uuid_list": "VARCHAR[]",
    "number_or_text": "VARCHAR",
    "any": "VARCHAR",
}

_ROW_COLUMNS = (
    ("row_id", "VARCHAR", "The row's identity as text."),
    ("id_hash", "BIGINT", "64-bit hash of row_id: finds copies without comparing texts."),
    ("content_hash", "BIGINT", "64-bit hash of the row's content: tells a duplicate from a conflict."),
    ("source_file", "VARCHAR", "The file that the row came in."),
    ("source_line", "BIGINT", "The line, or the number of the record, in that file; the first is 1."),
    ("batch_index", "INTEGER", "The place in the client batch, from 0; 0 where there is no batch."),
)


class ContractError(Exception):
    """A contract cannot be read; the message names the file and the place in it."""


@dataclass(frozen=True)
class Field:
    """One field of an envelope or of a payload."""

    name: str
    type: FieldType
    required: bool = False
    minimum: float | None = None  # a number outside [minimum, maximum] is invalid; both limits are in
    maximum: float | None = None
    values: tuple[str, ...] = ()  # closed list, as advice: another value is kept and reported as drift
    privacy: Privacy = "plain"
    keep: Keep = "hash"  # free text: keep the hash alone, or the scrubbed text too
    subject: bool = False  # names a person: erasure goes by these
    grain: bool = False  # text that marts group by: at most 64 characters and no e-mail address, else `other`
    default: int | None = None  # what an absent value is stored as
    column: str | None = (
        None  # the lake column that a payload field is stored in, typed; None: in the payload text only
    )
    max_length: int | None = None  # for open payload values that become a column: longer or structured ones: their hash
    description: str = ""


@dataclass(frozen=True)
class EventType:
    """One event type: the envelope references that it must carry, and its payload's fields in the contract's order."""

    name: str
    requires: tuple[str, ...] = ()  # envelope fields that this type must have
    payload: tuple[Field, ...] = ()
    aliases: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True)
class CollapsedKeys:
    """How an earlier producer made an event's key of its fields, so that every repeat overwrote the one before it.

    For a key of that form (the fields' texts joined by one of the separators, or a hash of that in hex) the identity
    is the key and the time: each version that an extract caught is an event, and marked.
    """

    fields: tuple[str, ...]  # envelope fields
    separators: tuple[str, ...]
    hashes: tuple[str, ...]  # md5, sha1


@dataclass(frozen=True)
class Stream:
    """One table of a system's extract."""

    system: str
    name: str
    kind: Kind
    envelope: tuple[Field, ...]  # of a batches stream: the fields of each event
    identity: tuple[str, ...]  # the envelope fields that identify a row
    payload_field: str | None = None  # the envelope field that holds the payload object
    type_field: str | None = None  # the envelope field that holds the event type
    time_field: str | None = None  # the envelope field whose day is the event date
    event_types: tuple[EventType, ...] = ()
    stable_hash: bool = False  # a row without its one identity field is known by a hash of its type, time and payload
    collapsed_keys: CollapsedKeys | None = None
    snapshot: bool = False  # identity holds within one extract date; the newest extract date wins as a whole
    batch: tuple[Field, ...] = ()  # of a batches stream: the fields of the batch itself
    list_field: str | None = None  # of a batches stream: the batch field that holds the list of events
    max_events: int | None = None  # of a batches stream: a batch with more is rejected whole
    like: Stream | None = None  # of a batches stream: the events stream whose columns its rows have
    description: str = ""

    @property
    def envelope_subjects(self) -> list[str]:
        """The envelope fields of its rows that name a person."""
        return [field.name for field in (self.like or self).envelope if field.subject]

    @property
    def payload_subjects(self) -> list[str]:
        """The payload fields that name a person, of whatever event type."""
        types = (self.like or self).event_types
        return sorted({field.name for event_type in types for field in event_type.payload if field.subject})


@dataclass(frozen=True)
class Contract:
    """One system: its streams and a hash that changes when anything in the contract does."""

    system: str
    streams: tuple[Stream, ...]
    sha256: str
    description: str = ""
    owner: str = ""

    def stream(self, name: str) -> Stream:
        """The stream of that name. Raises KeyError."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise KeyError(f"{self.system} has no stream {name}")


@cache
def load_contracts() -> dict[str, Contract]:
    """All contracts by system, in the order of their names. Raises ContractError."""
    return {path.stem: read_contract(path) for path in sorted(CONTRACTS.glob("*.yaml"))}


def read_contract(path: Path) -> Contract:
    """The contract in one YAML file. Raises ContractError."""
    content = path.read_bytes()
    try:
        document = yaml.load(content, Loader=_UniqueKeys)
    except yaml.YAMLError as error:
        raise ContractError(f"{path}: {error}") from error
    root = _Node(document, path.name)
    system = root.text("system")
    if system != path.stem:
        raise ContractError(f"{path.name}: system is {system!r}; the file's name says {path.stem!r}")
    streams: dict[str, Stream] = {}
    for name, node in root.children("streams"):
        streams[name] = _stream(system, name, node, streams)
    contract = Contract(
        system=system,
        streams=tuple(streams.values()),
        sha256=hashlib.sha256(content).hexdigest(),
        description=root.text("description"),
        owner=root.text("owner"),
    )
    root.done()
    return contract


def payload_columns(stream: Stream) -> list[tuple[str, str, str]]:
    """Name, type and description of the typed columns that payload fields are stored in."""
    columns: dict[str, tuple[str, str, str]] = {}
    for event_type in stream.event_types:
        for field in event_type.payload:
            if field.column is not None:
                columns.setdefault(field.column, (field.column, COLUMN_TYPES[field.type], field.description))
    return list(columns.values())


def raw_columns(stream: Stream) -> list[tuple[str, str, str]]:
    """Name, DuckDB type and description of the columns of a stream's raw lake table, but those that the loader adds."""
    model = stream.like or stream
    columns = list(_ROW_COLUMNS)
    if model.collapsed_keys is not None:
        columns.append(
            ("is_collapsed", "BOOLEAN", "Whether the key is of a form that was overwritten on every repeat.")
        )
    columns += [(f.name, COLUMN_TYPES[f.type], f.description) for f in model.envelope if f.name != model.payload_field]
    columns.append(("payload", "VARCHAR", "The payload as canonical JSON, privacy applied, unknown fields joined."))
    columns += payload_columns(model)
    named = {name for name, _, _ in columns}
    columns += [
        (f.name, COLUMN_TYPES[f.type], f.description)
        for f in stream.batch
        if f.name not in named and f.name != stream.list_field
    ]
    return columns


def _stream(system: str, name: str, node: _Node, known: Mapping[str, Stream]) -> Stream:
    kind: Kind = node.choice("kind", get_args(Kind))
    like = node.optional_text("like")
    if like is not None and like not in known:
        raise ContractError(f"{node.place}: like names {like!r}, which is no stream before this one")
    stream = Stream(
        system=system,
        name=name,
        kind=kind,
        envelope=_fields(node, "envelope"),
        identity=node.texts("identity"),
        payload_field=node.optional_text("payload"),
        type_field=node.optional_text("type"),
        time_field=node.optional_text("time"),
        event_types=tuple(_event_type(type_name, child) for type_name, child in node.children("event_types")),
        stable_hash=node.flag("stable_hash"),
        collapsed_keys=_collapsed_keys(node),
        snapshot=node.flag("snapshot"),
        batch=_fields(node, "batch"),
        list_field=node.optional_text("list"),
        max_events=node.optional_int("max_events"),
        like=known[like] if like is not None else None,
        description=node.text("description"),
    )
    node.done()
    _check(stream, node.place)
    return stream


def _collapsed_keys(node: _Node) -> CollapsedKeys | None:
    child = node.optional_child("collapsed_keys")
    if child is None:
        return None
    keys = CollapsedKeys(child.texts("fields"), child.texts("separators"), child.texts("hashes"))
    child.done()
    if not (keys.fields and keys.separators and set(keys.hashes) <= {"md5", "sha1"}):
        raise ContractError(f"{child.place}: needs fields, separators, and hashes of md5 and sha1")
    return keys


def _event_type(name: str, node: _Node) -> EventType:
    event_type = EventType(
        name=name,
        requires=node.texts("requires"),
        payload=_fields(node, "payload"),
        aliases=node.texts("aliases"),
        description=node.text("description"),
    )
    node.done()
    return event_type


def _fields(node: _Node, key: str) -> tuple[Field, ...]:
    return tuple(_field(name, child) for name, child in node.children(key))


def _field(name: str, node: _Node) -> Field:
    field = Field(
        name=name,
        type=node.choice("type", get_args(FieldType)),
        required=node.flag("required"),
        minimum=node.optional_number("minimum"),
        maximum=node.optional_number("maximum"),
        values=node.texts("values"),
        privacy=node.choice("privacy", get_args(Privacy), "plain"),
        keep=node.choice("keep", get_args(Keep), "hash"),
        subject=node.flag("subject"),
        grain=node.flag("grain"),
        default=node.optional_int("default"),
        column=node.optional_text("column"),
        max_length=node.optional_int("max_length"),
        description=node.text("description"),
    )
    node.done()
    if field.column is not None and field.type not in COLUMN_TYPES:
        raise ContractError(f"{node.place}: a field of type {field.type} cannot have a column")
    if (field.values or field.grain or field.privacy in _TEXT_CLASSES) and field.type not in ("text", "any"):
        raise ContractError(f"{node.place}: values, grain and privacy are for fields of type text or any")
    if (field.minimum is not None or field.maximum is not None) and field.type not in ("int", "decimal"):
        raise ContractError(f"{node.place}: minimum and maximum are for numbers")
    return field


def _check(stream: Stream, place: str) -> None:
    """What a stream refers to must be there, and one column can have one type only."""
    envelope = {field.name: field for field in stream.envelope}
    named = [stream.payload_field, stream.type_field, *stream.identity]
    named += [reference for event_type in stream.event_types for reference in event_type.requires]
    if stream.collapsed_keys is not None:
        named += stream.collapsed_keys.fields
    if stream.collapsed_keys is not None and (stream.stable_hash or not _is_one_key_with_time(stream)):
        raise ContractError(f"{place}: collapsed keys are of one identity field, need time, and are no stable hash")
    if stream.stable_hash and (stream.type_field is None or not _is_one_key_with_time(stream)):
        raise ContractError(f"{place}: a stable hash stands for one identity field, and needs type and time")
    if stream.kind == "batches":
        if stream.like is None or stream.list_field is None or stream.max_events is None:
            raise ContractError(f"{place}: a batches stream needs like, list and max_events")
        if stream.list_field not in {field.name for field in stream.batch}:
            raise ContractError(f"{place}: {stream.list_field!r} is no field of the batch")
        if [replace(t, payload=()) for t in stream.event_types] != [
            replace(t, payload=()) for t in stream.like.event_types
        ]:
            raise ContractError(f"{place}: its event types are not those of {stream.like.name}")
    else:
        named.append(stream.time_field)
    for name in named:
        if name is not None and name not in envelope:
            raise ContractError(f"{place}: {name!r} is no field of the envelope")
    if (stream.kind == "reference") == bool(stream.event_types):
        raise ContractError(f"{place}: a reference stream has no event types, any other has some")
    spellings = [spelling for event_type in stream.event_types for spelling in (event_type.name, *event_type.aliases)]
    types: dict[str, str] = {name: kind for name, kind, _ in _ROW_COLUMNS}
    types |= {field.name: "an envelope field" for field in stream.envelope}
    for event_type in stream.event_types:
        for field in event_type.payload:
            if field.column is not None and types.setdefault(field.column, field.type) != field.type:
                raise ContractError(f"{place}: column {field.column!r} has two types")
    if len(spellings) != len(set(spellings)):
        raise ContractError(f"{place}: two event types share a name or an alias")


def _is_one_key_with_time(stream: Stream) -> bool:
    return len(stream.identity) == 1 and stream.time_field is not None


class _Node:
    """One mapping of the YAML. Knows its place, and which keys were asked for: a key that nobody knows is an error."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise ContractError(f"{place}: expected a mapping")
        self.place = place
        self._value: dict[str, Any] = value
        self._asked: set[str] = set()

    def _get(self, key: str, kind: type | tuple[type, ...], what: str) -> Any:
        self._asked.add(key)
        value = self._value.get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise ContractError(f"{self.place}: {key} must be {what}")
        return value

    def text(self, key: str) -> str:
        value: str | None = self._get(key, str, "a text")
        if not value:
            raise ContractError(f"{self.place}: {key} is missing")
        return value

    def optional_text(self, key: str) -> str | None:
        value: str | None = self._get(key, str, "a text")
        return value

    def optional_int(self, key: str) -> int | None:
        value: int | None = self._get(key, int, "a whole number")
        return value

    def optional_number(self, key: str) -> float | None:
        value: float | None = self._get(key, (int, float), "a number")
        return value

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false"))

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, list, "a list of texts") or []
        if not all(isinstance(item, str) for item in value):
            raise ContractError(f"{self.place}: {key} must be a list of texts")
        return tuple(value)

    def choice(self, key: str, choices: tuple[str, ...], default: str | None = None) -> Any:
        value = self._get(key, str, "a text") or default
        if value not in choices:
            raise ContractError(f"{self.place}: {key} must be one of {', '.join(choices)}")
        return value

    def children(self, key: str) -> Iterator[tuple[str, _Node]]:
        value = self._get(key, dict, "a mapping") or {}
        for name, child in value.items():
            if not isinstance(name, str):
                raise ContractError(f"{self.place}: {key} has the key {name!r}, which is no text")
            yield name, _Node(child, f"{self.place}: {key}.{name}")

    def optional_child(self, key: str) -> _Node | None:
        value = self._get(key, dict, "a mapping")
        return None if value is None else _Node(value, f"{self.place}: {key}")

    def done(self) -> None:
        unknown = sorted(str(key) for key in self._value.keys() - self._asked)
        if unknown:
            raise ContractError(f"{self.place}: unknown key {', '.join(unknown)}")


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which a key given twice is an error: the second would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)
