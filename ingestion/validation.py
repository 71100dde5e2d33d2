"""The judge: a stream's contract compiled to one query that gives each row one verdict.

What belongs here: the order of the checks (events.md, "One row, one verdict"), the rows' identity and content, drift.
How one value is read is in `values.py`, the exact Python path for odd rows in `exact.py`.

How the query is built. Each step is one projection over the one before it:

1. the JSON text of each envelope field (of some the bare text), one parse;
2. the event type, by a join: the engine takes documents to be few, keeps those for the smaller side, and hands the rows
   on type by type. What is told apart by type further on then costs little, for a vector of rows is of one type;
3. instants;
4. the payload's names and values, one parse: column p_0 holds the value of the first field that the contract gives the
   row's type, p_1 that of the second, and so on;
5. the verdict: a number, the first that a list of checks gives. Checks on payload fields stand in `CASE event type`: a
   row is measured by its own type's fields only;
6. what is stored.

No `coalesce` around what a Python function gives: the engine (1.5) lets go of its memory too early then, and the text
is whatever stands there by chance. CASE keeps it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache, cached_property
from typing import Literal

import duckdb

from ingestion import values
from ingestion.canonical import hash64_sql, respelled_sql
from ingestion.contract import EventType, Field, Reason, Stream, raw_columns
from ingestion.exact import Exact
from ingestion.privacy import id_forms, keyed_hash
from ingestion.sql import quoted
from ingestion.values import json_text, quote_list

MAX_PAYLOAD_BYTES = 4096
# A rejected event is kept with the batch that it came in, and what the contract does not know of a batch is kept with
# each accepted one. Where that is more than a payload may have, and comes to more than this for the events of one line,
# they are malformed, and keep only what the contract knows of the batch, in short.
MAX_REPEATED_BYTES = 4 * 1024 * 1024
MAX_KEPT_BYTES = 256
# Kinds of drift that are told of one load; there may be as many names as there are bytes.
MAX_DRIFTS = 1000
OTHER_DRIFTS = "(others)"
EARLIEST = datetime(2000, 1, 1)
GRACE = timedelta(hours=24)  # after the end of the extract date: clocks differ
SOURCE = "source"  # the field in which some systems say which client sent a row; the quarantine keeps it apart
_HEX_DIGITS = {"md5": 32, "sha1": 40}

_calls = itertools.count(1)


@dataclass(frozen=True)
class Drift:
    """A field that the contract does not know, or a value that its closed list does not have, in accepted rows."""

    field: str
    event_type: str | None  # None in a reference stream
    kind: Literal["unknown_field", "unlisted_value"]
    rows: int


@dataclass(frozen=True)
class Judged:
    """The verdicts on some documents. `accepted` and `rejected` are tables; the caller drops them."""

    accepted: str
    rejected: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    rows_erased: int
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    drift: list[Drift] = field(default_factory=list)


def judge(
    con: duckdb.DuckDBPyConnection,
    stream: Stream,
    docs: str,
    extract_date: date,
    key: bytes,
    erased: frozenset[str] = frozenset(),
) -> Judged:
    """Judge the documents in the relation `docs` by the stream's contract.

    Args:
        con: the connection that knows `docs`; it gets the result tables.
        stream: the contract.
        docs: a relation of the columns of `readers.DOCUMENTS`.
        extract_date: the day on which the source system received the rows.
        key: the key of the free-text hashes and of the erased subjects.
        erased: `privacy.keyed_hash` of the subjects whose rows are counted and stored nowhere.
    """
    call = next(_calls)
    accepted, rejected = f"judged_accepted_{call}", f"judged_rejected_{call}"
    exact = Exact(stream, key)
    exact.register(con)
    latest = _latest(extract_date)
    query = _compile(stream)
    con.execute(
        f"CREATE TABLE {accepted} AS "
        + query.sql.replace("@docs", docs)
        .replace("@stored", exact.stored_name)
        .replace(values.KEYED_HASH, exact.keyed_hash_name)
        .replace("@latest", str(latest))
    )
    rows_erased = _forget(con, accepted, stream, key, erased) if erased else 0
    con.execute(f"""
        CREATE TABLE {rejected} AS
        SELECT source_file, source_line, batch_index, {query.source} AS source,
            {query.reasons}[_judged.verdict] AS reason,
            CASE WHEN _judged.verdict = 1 THEN _judged.fault
                ELSE {query.labels}[_judged.verdict] || CASE WHEN _judged.shown IS NULL THEN ''
                    WHEN {query.facts}[_judged.verdict] THEN ': ' || _judged.shown
                    ELSE ': ' || daybook_shown(_judged.shown) END END AS detail,
            _judged.raw AS raw
        FROM {accepted} WHERE _judged.verdict IS NOT NULL""")
    counts = con.execute(f"""
        WITH marks AS (
            SELECT 'row' AS kind, NULL AS name FROM {accepted}
            UNION ALL
            SELECT 'rejected', reason FROM {rejected}
        )
        SELECT kind, name, count(*) FROM marks GROUP BY ALL""").fetchall()
    drifts = con.execute(f"""
        WITH marks AS (
            SELECT 'unknown_field' AS kind, {query.event_type} AS event_type, unnest(_judged.unknown) AS name
            FROM {accepted}
            UNION ALL
            SELECT 'unlisted_value', {query.event_type}, unnest(_judged.unlisted) FROM {accepted}
        )
        SELECT name, event_type, kind, count(*) AS rows, sum(count(*)) OVER ()
        FROM marks GROUP BY ALL ORDER BY rows DESC, name, event_type, kind LIMIT {MAX_DRIFTS}""").fetchall()
    by_reason = {name: rows for kind, name, rows in counts if kind == "rejected"}
    rows_rejected = sum(by_reason.values())
    rows_kept = sum(rows for kind, _, rows in counts if kind == "row")
    if 2 * rows_rejected > rows_kept:  # deleted rows keep their memory
        rest = f"SELECT * EXCLUDE (_judged) FROM {accepted} WHERE _judged.verdict IS NULL"
        con.execute(f"CREATE OR REPLACE TABLE {accepted} AS {rest}")
    else:
        if rows_rejected:
            con.execute(f"DELETE FROM {accepted} WHERE _judged.verdict IS NOT NULL")
        con.execute(f"ALTER TABLE {accepted} DROP COLUMN _judged")
    return Judged(
        accepted=accepted,
        rejected=rejected,
        rows_read=rows_kept + rows_erased,
        rows_accepted=rows_kept - rows_rejected,
        rows_rejected=rows_rejected,
        rows_erased=rows_erased,
        rejected_by_reason=by_reason,
        drift=most_drift([Drift(*found[:4]) for found in drifts], all_rows=drifts[0][4] if drifts else 0),
    )


def most_drift(found: Sequence[Drift], all_rows: int | None = None) -> list[Drift]:
    """The kinds of drift with the most rows, sorted; the rows of those that are too many are told in one sum."""
    named = [drift for drift in found if drift.field != OTHER_DRIFTS]
    kept = sorted(named, key=lambda drift: (-drift.rows, str(drift)))[:MAX_DRIFTS]
    rows = sum(drift.rows for drift in found) if all_rows is None else all_rows
    others = rows - sum(drift.rows for drift in kept)
    kept.sort(key=lambda drift: (drift.kind, drift.event_type or "", drift.field))
    return [*kept, Drift(OTHER_DRIFTS, None, "unknown_field", others)] if others else kept


def _latest(extract_date: date) -> datetime:
    """The last instant at which an event of the extract may have happened."""
    try:
        return datetime.combine(extract_date, time()) + timedelta(days=1) + GRACE
    except OverflowError:  # the last days of the calendar
        return datetime.max


def subjects_sql(stream: Stream) -> str:
    """SQL for the list of the people that an accepted row of a stream names, in its envelope and in its payload.

    In a payload a subject's name counts whatever the event's type: a type that does not declare it keeps it as drift.
    """
    in_envelope = f"[{', '.join(stream.envelope_subjects)}]::VARCHAR[]"
    if not stream.payload_subjects:
        return in_envelope
    paths = quote_list([f'$."{name}"' for name in stream.payload_subjects])
    return f"list_concat({in_envelope}, json_extract_string(payload, {paths}))"


def _forget(con: duckdb.DuckDBPyConnection, table: str, stream: Stream, key: bytes, erased: frozenset[str]) -> int:
    """Delete the rows that name an erased subject in a subject's field; how many they were.

    A rejected row has no payload here: `load.py` looks for the erased in such rows as they came.
    """
    subjects = subjects_sql(stream)
    ids = con.execute(f"SELECT DISTINCT unnest({subjects}) FROM {table}").fetchall()
    gone = [
        subject
        for (subject,) in ids
        if subject is not None and any(keyed_hash(key, form) in erased for form in id_forms(subject))
    ]
    if not gone:
        return 0
    deleted = con.execute(f"DELETE FROM {table} WHERE list_has_any({subjects}, {quote_list(gone)})").fetchone()
    return int(deleted[0]) if deleted is not None else 0


@dataclass(frozen=True)
class _Query:
    """A compiled stream. In `sql`, @docs, @stored, @keyed_hash and @latest stand for what differs from call to call."""

    sql: str
    event_type: str  # the column of the event type, or NULL
    source: str  # the column that says which client sent the row, or NULL
    reasons: str  # SQL lists: of what each verdict means
    labels: str
    facts: str


@cache
def _compile(stream: Stream) -> _Query:
    compiler = _Compiler(stream)
    sql = compiler.sql()
    return _Query(
        sql=sql,
        event_type=stream.type_field or "NULL",
        source=SOURCE if any(f.name == SOURCE for f in compiler.fields) else "NULL::VARCHAR",
        reasons=quote_list([check.reason for check in compiler.checks]),
        labels=quote_list([check.label for check in compiler.checks]),
        facts=f"[{', '.join(str(check.is_fact) for check in compiler.checks)}]",
    )


@dataclass(frozen=True)
class _Check:
    """One way in which a row can fail."""

    reason: Reason
    label: str  # how the detail names the field
    value: str | None = None  # SQL of the JSON text that the detail shows
    is_fact: bool = False  # the value is what was found out about the row, not what stands in it: shown as it is


class _Compiler:
    """Writes the query of one stream. Every method gives SQL; names of columns are made by `_j`, `_i` and `_slots`."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.types = stream.event_types
        self.fields: tuple[Field, ...] = stream.batch + stream.envelope  # in the order in which they are judged
        self.checks: list[_Check] = []
        self.type_name = "type_name" if stream.type_field is not None else "NULL::VARCHAR"
        self.batch = "opening || ']}'" if stream.kind == "batches" else "NULL::VARCHAR"  # without its events

    @cached_property
    def payload(self) -> Field | None:
        return next((f for f in self.stream.envelope if f.name == self.stream.payload_field), None)

    @cached_property
    def slots(self) -> int:
        """The most fields that the payload of an event type has."""
        return max((len(event_type.payload) for event_type in self.types), default=0)

    def sql(self) -> str:
        verdict = self.verdict()
        steps = [
            self.rows(),
            self.envelope(),
            self.typed_envelope(),
            self.typed_rows(),
            self.instants(),
            self.payload_fields(),
            f"SELECT *, {verdict} AS verdict, {self.needs_python()} AS needs_python FROM s5",
            f"""SELECT *, CASE WHEN verdict IS NULL AND needs_python
                THEN @stored(doc, {self.batch}, {self.type_name}) END AS stored FROM s6""",
            f"""SELECT *, CASE WHEN verdict IS NULL
                THEN CASE WHEN needs_python THEN stored.payload ELSE {self.canonical_payload()} END END AS payload,
                {self.is_collapsed()} AS is_collapsed FROM s7""",
            f"SELECT *, {self.row_id()} AS row_id FROM s8",
            self.result(),
        ]
        named = ",\n".join(f"s{number} AS ({step})" for number, step in enumerate(steps[:-1]))
        return f"WITH {named}\n{steps[-1]}"

    # steps

    def rows(self) -> str:
        """One row a row: the documents themselves, or the events in them."""
        stream = self.stream
        if stream.kind != "batches":
            # Where it is the document, the row as it came is not carried along.
            raw = "CASE WHEN raw = doc THEN NULL ELSE raw END AS raw"
            return f"SELECT source_file, source_line, 0::INTEGER AS batch_index, doc, {raw}, fault, is_known FROM @docs"
        assert stream.list_field is not None and stream.time_field is not None
        list_field = quoted(stream.list_field)
        listed = f"j_{stream.list_field}"
        each = f'$."{stream.list_field}"[*]'
        # Whatever is as long as the batch is worked out here, once a line: an event may be one of very many.
        columns = [f'b."{f.name}"::VARCHAR AS {_j(f)}' for f in stream.batch]
        kept = [
            f"""CASE WHEN strlen({_j(f)}) <= {MAX_KEPT_BYTES}
                THEN {quoted(json.dumps(f.name) + ":")} || {_j(f)} || ',' ELSE '' END"""
            for f in stream.batch
            if f.name != stream.list_field
        ]
        in_short = f"'{{' || {' || '.join([*kept, quoted(json.dumps(stream.list_field) + ':[')])}"
        repeated = f"strlen(opening) > {MAX_PAYLOAD_BYTES} AND strlen(opening) * len(members) > {MAX_REPEATED_BYTES}"
        members = f"""CASE
            WHEN NOT is_list THEN [NULL]::VARCHAR[]
            WHEN respelled THEN daybook_members(line, {list_field})
            ELSE json_extract(line, {quoted(each)})::VARCHAR[] END"""
        fields = "list_zip(line_keys, json_extract(line, '$.*')::VARCHAR[])"
        other = f"list_filter({fields}, lambda m: m[1] <> {list_field})"
        opening = f"""CASE
            WHEN NOT is_list THEN NULL
            WHEN respelled THEN daybook_opening(line, {list_field})
            ELSE '{{' || array_to_string(
                    list_transform({other}, lambda m: to_json(m[1])::VARCHAR || ':' || m[2] || ','), '')
                || {quoted(json.dumps(stream.list_field) + ":[")} END"""
        instants = f"""list_transform(
            json_extract_string(line, {quoted(each + '."client_ts"')}), lambda j: {values.instant("j")})"""
        return f"""
            SELECT *,
                CASE WHEN starts_with(event, '{{') THEN event END AS doc,
                coalesce(line_fault, CASE WHEN NOT starts_with(event, '{{') THEN 'an event that is no object' END)
                    AS fault
            FROM (
                SELECT * EXCLUDE (members, is_list, is_repeated), len(members) AS events, unnest(members) AS event,
                    unnest(range(len(members)))::INTEGER AS batch_index
                FROM (SELECT * REPLACE (
                    CASE WHEN is_repeated THEN {in_short} ELSE opening END AS opening,
                    CASE WHEN is_repeated THEN [] ELSE line_keys END AS line_keys,
                    CASE WHEN is_repeated THEN 'a batch too long to be kept with each of its events' ELSE line_fault END
                        AS line_fault,
                    CASE WHEN NOT is_list THEN raw END AS raw)
                FROM (SELECT *, coalesce({repeated}, false) AS is_repeated FROM (
                    SELECT * EXCLUDE (line, b, respelled, {listed}),
                        CASE WHEN is_list THEN '[]' ELSE {listed} END AS {listed},
                        {opening} AS opening, {members} AS members, list_max({instants}) AS latest_client_ts
                    FROM (
                        SELECT *, coalesce(starts_with({listed}, '['), false) AS is_list,
                            {respelled_sql("line")} AS respelled
                        FROM (
                            SELECT *, {", ".join(columns)}
                            FROM (
                                SELECT source_file, source_line, doc AS line, raw, fault AS line_fault,
                                    false AS is_known, -- of an event in the line nothing is
                                    json_transform(doc, {self.template(stream.batch)}) AS b,
                                    json_keys(doc) AS line_keys
                                FROM @docs)))))))"""

    def envelope(self) -> str:
        return f"""SELECT *, json_transform(doc, {self.template(self.stream.envelope, values.is_bare)}) AS e,
                CASE WHEN NOT is_known THEN json_keys(doc) END AS doc_keys
            FROM s0"""

    def typed_envelope(self) -> str:
        columns = [f'e."{f.name}"::VARCHAR AS {_j(f)}' for f in self.stream.envelope]
        unknown = _has_unknown("doc_keys", [(f.name, f'e."{f.name}"') for f in self.stream.envelope])
        done = ["e", "doc_keys", "is_known"]
        if self.stream.kind == "batches":
            unknown += f" OR {_has_unknown('line_keys', [(f.name, _j(f)) for f in self.stream.batch])}"
            done.append("line_keys")
        columns.append(f"CASE WHEN is_known THEN false ELSE {unknown} END AS has_unknown")
        return f"SELECT * EXCLUDE ({', '.join(done)}), {', '.join(columns)} FROM s1"

    def typed_rows(self) -> str:
        """Event type as a number (-1: unknown) and as its name, and the names of its payload's fields."""
        if self.stream.type_field is None:
            return "SELECT * FROM s2"
        j = f"j_{self.stream.type_field}"
        names = [f"name_{n}" for n in range(self.slots)]
        types = []
        for number, event_type in enumerate(self.types):
            fields = [quoted(f.name) for f in event_type.payload]
            fields += ["NULL"] * (self.slots - len(fields))
            for spelling in (event_type.name, *event_type.aliases):
                types.append(f"({', '.join([json_text(spelling), str(number), quoted(event_type.name), *fields])})")
        columns = ", ".join([j, "known_number", "type_name", *names])
        return f"""SELECT * EXCLUDE (known_number),
                CASE WHEN known_number IS NULL AND {values.is_text(j)} THEN -1 ELSE known_number END AS type_number
            FROM s2 LEFT JOIN (VALUES {", ".join(types)}) AS types ({columns}) USING ({j})"""

    def instants(self) -> str:
        """Instants, and whether the payload holds a number to be read exactly."""
        columns = [f"{values.instant(self.value(f))} AS {_i(f)}" for f in self.fields if f.type == "timestamp"]
        if self.payload is not None:
            j = _j(self.payload)
            fraction = f"regexp_matches({j}, '[0-9](?:\\.[0-9]|[eE])')"
            columns.append(
                f"""CASE WHEN starts_with({j}, '{{') AND (strlen(doc) > {MAX_PAYLOAD_BYTES} OR {fraction})
                THEN {respelled_sql("doc")} ELSE false END AS respelled"""
            )
        return f"SELECT *, {', '.join(columns) or '0 AS none'} FROM s3"

    def payload_fields(self) -> str:
        """The values of a payload: column p_0 holds that of the first field of the row's event type, and so on."""
        if self.payload is None:
            return "SELECT * FROM s4"
        j = _j(self.payload)
        entries = f"""CASE WHEN starts_with({j}, '{{') THEN CASE
            WHEN respelled THEN daybook_entries(doc, {quoted(self.payload.name)})
            ELSE {{k: json_keys({j}), v: json_extract({j}, '$.*')::VARCHAR[]}} END END AS entries"""
        columns = [f"nullif(entries.v[list_position(entries.k, name_{n})], 'null') AS p_{n}" for n in range(self.slots)]
        return f"""SELECT * EXCLUDE ({", ".join(f"name_{n}" for n in range(self.slots))}), {", ".join(columns)}
            FROM (SELECT *, {entries} FROM s4)"""

    def verdict(self) -> str:
        """The first check that fails, as its number from 1; NULL if none does."""
        stream, payload = self.stream, self.payload
        is_event = "doc IS NOT NULL AND " if stream.kind == "batches" else ""
        start = [("fault IS NOT NULL", _Check("malformed", ""))]
        if stream.kind == "batches":
            assert stream.list_field is not None
            too_many = _Check("batch_too_large", stream.list_field, "events::VARCHAR", is_fact=True)
            start.append((f"events > {stream.max_events}", too_many))
        if stream.type_field is not None:
            j = f"j_{stream.type_field}"
            start.append(("type_number = -1", _Check("unknown_event_type", stream.type_field, j)))
        for f in self.fields:
            if f.required:
                guard = "" if f in stream.batch else is_event
                start.append((f"{guard}{_j(f)} IS NULL", _Check("missing_field", f.name)))
        first = self.chain(start)  # numbers the checks: the malformed are 1
        references = self.by_type(
            lambda t: self.chain((f"j_{name} IS NULL", _Check("missing_field", name)) for name in t.requires)
        )
        absent = self.by_type(
            lambda t: self.chain(
                (f"{p} IS NULL", _Check("missing_field", self.label(f))) for f, p in _slots(t) if f.required
            )
        )
        # In a payload that is no object nothing is judged: nothing is missing there either.
        if payload is not None:
            absent = f"CASE WHEN {_j(payload)} IS NULL OR starts_with({_j(payload)}, '{{') THEN {absent} END"
        invalid = []
        for f in self.fields:
            is_valid = f"{_i(f)} IS NOT NULL" if f.type == "timestamp" else values.valid(f, self.value(f))
            shown = self.payload_shown() if f is payload else self.json_text(f)
            invalid.append((f"{_j(f)} IS NOT NULL AND NOT {is_valid}", _Check("invalid_field", f.name, shown)))
        invalid_payload = self.by_type(
            lambda t: self.chain(
                (
                    f"{p} IS NOT NULL AND NOT {values.valid(f, p)}",
                    _Check("invalid_field", self.label(f), None if f.privacy == "free_text" else f"p_{number}"),
                )
                for number, (f, p) in enumerate(_slots(t))
                if f.type != "any"
            )
        )
        end = []
        if payload is not None:
            j = _j(payload)
            size = f"daybook_size(doc, {quoted(payload.name)})"
            # compact text is never longer than the document; the engine's is exact but for numbers and repeated keys
            end.append(
                (
                    f"""strlen(doc) > {MAX_PAYLOAD_BYTES} AND {j} IS NOT NULL
                    AND CASE WHEN respelled OR strlen({j}) > {MAX_PAYLOAD_BYTES}
                        THEN {size} > {MAX_PAYLOAD_BYTES} ELSE false END""",
                    _Check("payload_too_large", payload.name, f"{size} || ' bytes'", is_fact=True),
                )
            )
        if stream.time_field is not None:
            ts = self.event_ts()
            end.append(
                (
                    f"{ts} < TIMESTAMP '{EARLIEST}' OR {ts} > TIMESTAMP '@latest'",
                    _Check(
                        "timestamp_out_of_range",
                        stream.time_field,
                        f"strftime({ts}, '%Y-%m-%dT%H:%M:%SZ')",
                        is_fact=True,
                    ),
                )
            )
        parts = (first, references, absent, self.chain(invalid), invalid_payload, self.chain(end))
        return f"coalesce({', '.join(parts)}, NULL)"

    def needs_python(self) -> str:
        """Rows whose stored payload the engine cannot write: unknown fields, values that change, odd numbers."""
        conditions = ["has_unknown"]
        if self.payload is not None:
            conditions += ["respelled", self.by_type(self.odd_payload)]
        # CASE stops at the first that holds; OR would work all of them out
        return f"CASE{''.join(f' WHEN {condition} THEN true' for condition in conditions)} ELSE false END"

    def odd_payload(self, event_type: EventType) -> str:
        odd = [_has_unknown("entries.k", [(f.name, p) for f, p in _slots(event_type)])]
        for f, p in _slots(event_type):
            is_plain = values.is_plain(f, p)
            if is_plain is not None:
                odd.append(f"NOT {is_plain}")
        return f"CASE{''.join(f' WHEN {condition} THEN true' for condition in odd)} END"

    def canonical_payload(self) -> str:
        """The canonical text of a payload that holds known and plain values only."""
        if self.payload is None:
            return "NULL::VARCHAR"

        def members(event_type: EventType) -> str:
            fields = sorted(_slots(event_type), key=lambda slot: slot[0].name)
            texts = [f"{quoted(chr(34) + f.name + chr(34) + ':')} || {values.canonical(f, p)}" for f, p in fields]
            return f"concat_ws(',', {', '.join(f'({text})' for text in texts)})" if texts else "''"

        return f"CASE WHEN {_j(self.payload)} IS NOT NULL THEN '{{' || {self.by_type(members)} || '}}' END"

    def row_id(self) -> str:
        named = {f.name: f for f in self.fields}
        identity = [named[name] for name in self.stream.identity]
        if self.stream.kind == "batches":
            parts = " || ',' || ".join(self.canonical_value(f) for f in identity)
            return f"'h-' || sha256('[' || {parts} || ']')"
        row_id = " || '|' || ".join(self.typed(f) for f in identity)
        if self.stream.stable_hash:
            instant = f"epoch_us({self.event_ts()})"
            payload = "CASE WHEN payload IS NULL THEN 'null' ELSE payload END"
            text = f"""'["' || {self.type_name} || '",' || {instant} || ',' || {payload} || ']'"""
            return f"coalesce({row_id}, 'h-' || sha256({text}))"
        if self.stream.collapsed_keys is not None:
            return f"{row_id} || CASE WHEN is_collapsed THEN '|' || epoch_us({self.event_ts()}) ELSE '' END"
        return row_id

    def is_collapsed(self) -> str:
        """Whether the key is one that was overwritten on every repeat; a hash of it may be spelled in any case."""
        collapsed = self.stream.collapsed_keys
        if collapsed is None:
            return "false"
        named = {f.name: f for f in self.fields}
        key = self.typed(named[self.stream.identity[0]])
        parts = [self.typed(named[name]) for name in collapsed.fields]
        joined = [f" || {quoted(separator)} || ".join(parts) for separator in collapsed.separators]
        # Only a key as long as a hash is worth hashing for.
        arms = [f"WHEN {key} IN ({', '.join(joined)}) THEN true"]
        for name in collapsed.hashes:
            hashes = ", ".join(f"{name}({text})" for text in joined)
            arms.append(f"WHEN strlen({key}) = {_HEX_DIGITS[name]} THEN lower({key}) IN ({hashes})")
        return f"coalesce(CASE {' '.join(arms)} END, false)"

    def result(self) -> str:
        own = {f.name: f for f in self.fields}
        columns = {"id_hash": hash64_sql("row_id"), "content_hash": hash64_sql(self.content())}
        if self.stream.time_field is not None:
            columns[self.stream.time_field] = self.event_ts()
        if self.stream.like is not None:
            columns[self.stream.like.identity[0]] = "row_id"
            columns |= {f.name: str(f.default) for f in self.stream.like.envelope if f.default is not None}
        for f in own.values():
            columns.setdefault(f.name, self.typed(f))
        columns |= self.typed_payload()
        columns |= {name: name for name in ("row_id", "source_file", "source_line", "batch_index", "payload")}
        columns["is_collapsed"] = "is_collapsed"
        selected = [
            f"({columns.get(name, 'NULL')})::{sql_type} AS {name}" for name, sql_type, _ in raw_columns(self.stream)
        ]
        return f"SELECT {', '.join(selected)}, {self.judged()} AS _judged FROM s9"

    def judged(self) -> str:
        """What is known of a row beside its columns."""
        shown = "".join(
            f" WHEN {number} THEN {check.value}"
            for number, check in enumerate(self.checks, 1)
            if check.value is not None
        )
        return f"""{{
            verdict: verdict,
            fault: fault,
            shown: CASE WHEN verdict > 1 THEN {f"CASE verdict{shown} END" if shown else "NULL::VARCHAR"} END,
            raw: CASE WHEN verdict IS NOT NULL THEN {self.raw()} END,
            unknown: CASE WHEN len(stored.unknown) > 0 THEN stored.unknown END,
            unlisted: CASE WHEN verdict IS NULL THEN {self.unlisted()} END}}"""

    # expressions

    def template(self, fields: Iterable[Field], is_bare: Callable[[Field], bool] = lambda f: False) -> str:
        return quoted("{" + ",".join(f'"{f.name}":"{"VARCHAR" if is_bare(f) else "JSON"}"' for f in fields) + "}")

    def value(self, f: Field) -> str:
        """A field's value as `values` wants it; those of a batch are JSON throughout."""
        return values.bare(_j(f)) if f in self.stream.batch and values.is_bare(f) else _j(f)

    def json_text(self, f: Field) -> str:
        """The JSON text of a field's value, for few rows: of a bare one it is read once more."""
        if f in self.stream.batch or not values.is_bare(f):
            return _j(f)
        path = f'$."{f.name}"'
        return f"json_extract(doc, {quoted(path)})::VARCHAR"

    def raw(self) -> str:
        """The row as it came; of an event in a batch the batch with it alone: what is needed to judge it again."""
        if self.stream.kind == "batches":
            return "CASE WHEN event IS NULL THEN raw ELSE opening || event || ']}' END"
        return "CASE WHEN raw IS NULL THEN doc ELSE raw END"

    def label(self, payload_field: Field) -> str:
        return f"{self.stream.payload_field}.{payload_field.name}"

    def chain(self, checks: Iterable[tuple[str, _Check]]) -> str:
        """The number of the first check whose condition holds."""
        arms = []
        for condition, check in checks:
            if check not in self.checks:
                self.checks.append(check)
            arms.append(f" WHEN {condition} THEN {self.checks.index(check) + 1}")
        return f"CASE{''.join(arms)} END" if arms else "NULL"

    def by_type(self, expression: Callable[[EventType], str]) -> str:
        """An expression that differs by event type; types with the same one share an arm."""
        arms: dict[str, list[int]] = {}
        for number, event_type in enumerate(self.types):
            arms.setdefault(expression(event_type), []).append(number)
        arms.pop("NULL", None)
        if not arms:
            return "NULL"
        return f"CASE{''.join(f' WHEN {_among(numbers)} THEN {sql}' for sql, numbers in arms.items())} END"

    def event_ts(self) -> str:
        if self.stream.kind == "batches":
            waited = "epoch_us(latest_client_ts) - epoch_us(i_client_ts)"
            return f"make_timestamp(epoch_us(i_received_at) - ({waited}))"
        return f"i_{self.stream.time_field}"

    def payload_shown(self) -> str:
        """A payload that is no object. A text may be that of one, and hold whatever an event can say: not shown.

        Nor is any other value where the event's type has free text.
        """
        assert self.payload is not None
        j = _j(self.payload)
        free = [number for number, t in enumerate(self.types) if any(f.privacy == "free_text" for f in t.payload)]
        hidden = " OR ".join([values.is_text(j), *([_among(free)] if free else [])])
        return f"CASE WHEN NOT ({hidden}) THEN {j} END"

    def typed(self, f: Field) -> str:
        if f.name == self.stream.type_field:
            return self.type_name
        value = _i(f) if f.type == "timestamp" else values.typed(f, self.value(f))
        return f"coalesce({value}, {f.default})" if f.default is not None else value

    def typed_payload(self) -> dict[str, str]:
        arms: dict[str, dict[str, list[int]]] = {}
        for number, event_type in enumerate(self.types):
            for f, p in _slots(event_type):
                if f.column is not None:
                    arms.setdefault(f.column, {}).setdefault(values.typed(f, p), []).append(number)
        return {
            column: f"CASE{''.join(f' WHEN {_among(numbers)} THEN {sql}' for sql, numbers in cases.items())} END"
            for column, cases in arms.items()
        }

    def content(self) -> str:
        """The canonical JSON of a row's content: compared among rows of one identity, which therefore is no part of it.

        Nor is what follows from the time at which a batch was received.
        """
        apart = {*self.stream.identity, self.stream.payload_field, self.stream.list_field}
        fields = [f for f in self.fields if f.name not in apart]
        if self.stream.kind == "batches":
            fields = [f for f in fields if f not in self.stream.batch or f.type != "timestamp"]
        texts = [self.canonical_value(f) for f in fields]
        # no payload, and one without members: nothing was said
        texts.append("CASE WHEN payload IS NULL OR payload = '{}' THEN 'null' ELSE payload END")
        return f"'[' || concat_ws(',', {', '.join(texts)}) || ']'"

    def canonical_value(self, f: Field) -> str:
        """The canonical JSON text of a valid envelope value; null where it is absent."""
        if f.name == self.stream.type_field:
            return f"""'"' || {self.type_name} || '"'"""
        if f.default is not None:
            return f"{self.typed(f)}::VARCHAR"
        text = f"epoch_us({_i(f)})::VARCHAR" if f.type == "timestamp" else values.canonical_exact(f, self.value(f))
        return f"CASE WHEN {_j(f)} IS NULL THEN 'null' ELSE {text} END"

    def unlisted(self) -> str:
        """Names of the fields whose value is not in their closed list."""

        def names(fields: Iterable[tuple[Field, str]]) -> str:
            listed = [(f.name, j, ", ".join(json_text(value) for value in f.values)) for f, j in fields if f.values]
            return ", ".join(f"CASE WHEN {j} NOT IN ({known}) THEN '{name}' END" for name, j, known in listed)

        envelope = names((f, _j(f)) for f in self.fields)

        def found(of_payload: str) -> str:
            both = ", ".join(part for part in (envelope, of_payload) if part)
            return f"list_filter([{both}], lambda name: name IS NOT NULL)" if both else "NULL"

        by_type = self.by_type(lambda t: found(names(_slots(t))))
        lists = by_type if self.types else found("")
        return f"CASE WHEN len({lists}) > 0 THEN {lists} END" if lists != "NULL" else "NULL::VARCHAR[]"


def _has_unknown(keys: str, known: Sequence[tuple[str, str]]) -> str:
    """Whether an object has a key that is not known. As many known values as keys: there is none, without a search."""
    if not known:
        return f"len({keys}) > 0"
    count = " + ".join(f"({value} IS NOT NULL)::INT" for _, value in known)
    names = quote_list([name for name, _ in known])
    return f"CASE WHEN len({keys}) = {count} THEN false ELSE NOT list_has_all({names}, {keys}) END"


def _j(f: Field) -> str:
    return f"j_{f.name}"


def _i(f: Field) -> str:
    return f"i_{f.name}"


def _slots(event_type: EventType) -> list[tuple[Field, str]]:
    """The payload fields of a type, each with the column that holds its value."""
    columns = [(f, f"p_{number}") for number, f in enumerate(event_type.payload)]
    return [(f, values.bare(p) if values.is_bare(f) else p) for f, p in columns]


def _among(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"type_number = {numbers[0]}"
    return f"type_number IN ({', '.join(map(str, numbers))})"
