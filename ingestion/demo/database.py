"""`python -m ingestion.demo.database URL`: the rows of the demo in tables of a database, as an application has them.

What belongs here: the tables, a column for each field of the contracts, and filling them. What does not: the rows
(`generate`). What a typed column cannot hold, such as a broken line, is left out, and counted.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects.mysql import DATETIME
from sqlalchemy.dialects.postgresql import JSONB

from ingestion.contract import Field, Stream
from ingestion.database import DatabaseError, connect_args, resolve
from ingestion.demo.generate import DAYS, LEARNERS, SEED, START, generate
from ingestion.extracts import Extract, discover
from ingestion.home import Home
from ingestion.lake import all_streams, find_stream
from ingestion.readers import HOLDS_JSON, read_documents
from ingestion.sources import faults_of_url

RECEIVED_AT = "received_at"
# Where no URL is given, this variable of the environment names one: a command line is seen by everybody.
VARIABLE = "DAYBOOK_DEMO_DB"

_INSERT_ROWS = 2_000

# There a `numeric` has no decimals unless told how many, and a time whole seconds.
_OF_MYSQL = ("mysql", "mariadb")
_INSTANT = sa.DateTime(timezone=True).with_variant(DATETIME(fsp=6), *_OF_MYSQL)


class DoesNotFit(Exception):
    """A row that the table cannot hold."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill a database, and write the `sources.yaml` that reads it into a home; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m ingestion.demo.database", description="Fill a database.")
    parser.add_argument("url", nargs="?", default=f"${{{VARIABLE}}}", help=f"default: what {VARIABLE} says")
    parser.add_argument("--home", type=Path, help="the home that will read it (default: DAYBOOK_HOME)")
    parser.add_argument("--learners", type=int, default=LEARNERS, help="default: %(default)s")
    parser.add_argument("--days", type=int, default=DAYS, help="number of extract dates (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="default: %(default)s")
    parser.add_argument("--start", type=dt.date.fromisoformat, default=START, help="first date (default: %(default)s)")
    options = parser.parse_args(arguments)
    home = Home(options.home.expanduser().resolve()) if options.home else Home.from_env()
    if home.sources.exists():
        print(f"error: {home.sources}: is there already; DAYBOOK_HOME names another home", file=sys.stderr)
        return 1
    try:
        url = resolve(options.url)
        template = options.url if "${" in options.url or not url.password else f"${{{VARIABLE}}}"
        faults = faults_of_url(template)  # it will stand in a file
        if faults:
            raise DatabaseError("; ".join(faults))
        with tempfile.TemporaryDirectory() as folder:
            demo = Home(Path(folder))
            generate(demo, options.learners, options.days, options.seed, options.start)
            rows, left_out = fill(url, demo)
    except (DatabaseError, sa.exc.DBAPIError, FileExistsError) as error:
        told = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else str(error)
        print(f"error: {' '.join(told.split())}", file=sys.stderr)
        return 1
    print(f"{rows:,} rows, {left_out:,} left out, which no typed column can hold")
    home.sources.parent.mkdir(parents=True, exist_ok=True)
    home.sources.write_text(sources_of(template, options.start, options.start + dt.timedelta(days=options.days - 1)))
    print(f"wrote {home.sources}, which reads them")
    return 0


def fill(url: sa.URL, home: Home) -> tuple[int, int]:
    """Make a table for each stream, and put the extracts of a home into them; rows, and rows that were left out.

    Raises FileExistsError where a table is there: nothing is dropped; and DatabaseError.
    """
    engine = sa.create_engine(url, connect_args=connect_args(url))
    there = set(sa.inspect(engine).get_table_names())
    metadata = sa.MetaData()
    tables = {(stream.system, stream.name): _table(metadata, stream) for stream in all_streams()}
    taken = sorted(table.name for table in tables.values() if table.name in there)
    if taken:
        raise FileExistsError(f"there is a table {', '.join(taken)}; the demo drops none")
    rows = left_out = 0
    with engine.begin() as con:
        metadata.create_all(con)
        for extract in discover(home).extracts:
            table = tables[extract.system, extract.stream]
            fitting = list(_fitting(extract))
            kept = [row for row in fitting if row is not None]
            for start in range(0, len(kept), _INSERT_ROWS):
                con.execute(table.insert(), kept[start : start + _INSERT_ROWS])
            rows += len(kept)
            left_out += len(fitting) - len(kept)
    engine.dispose()
    return rows, left_out


def sources_of(url: str, first: dt.date, last: dt.date) -> str:
    """The `sources.yaml` that reads these tables."""
    by_system: dict[str, list[str]] = defaultdict(list)
    for stream in all_streams():
        by_system[stream.system].append(stream.name)
    lines = []
    for system, names in by_system.items():
        lines.append(f"{system}:")
        for name in names:
            options = {"kind": "database", "url": f'"{url}"', "table": f"{system}_{name}"}
            options |= {"received_at": RECEIVED_AT, "from": str(first), "to": str(last)}
            lines += [f"  {name}:", *(f"    {option}: {value}" for option, value in options.items())]
    return "\n".join([*lines, ""])


def _table(metadata: sa.MetaData, stream: Stream) -> sa.Table:
    columns = [sa.Column(field.name, _type(field)) for field in _fields(stream) if field.name != RECEIVED_AT]
    received_at = sa.Column(RECEIVED_AT, _INSTANT, nullable=False, index=True)
    return sa.Table(f"{stream.system}_{stream.name}", metadata, received_at, *columns)


def _fields(stream: Stream) -> tuple[Field, ...]:
    return stream.batch or stream.envelope


def _type(field: Field) -> sa.types.TypeEngine[Any]:
    """The type of a column. Ids are texts: the demo has broken ones, which a column of UUIDs would not take."""
    if field.type in HOLDS_JSON:
        return sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
    number = sa.Numeric(asdecimal=False).with_variant(sa.Double(), *_OF_MYSQL)
    types: dict[str, sa.types.TypeEngine[Any]] = {
        "int": sa.BigInteger(),
        "decimal": number,
        "number_or_text": number,
        "bool": sa.Boolean(),
        "timestamp": _INSTANT,
    }
    return types.get(field.type, sa.Text())


def _fitting(extract: Extract) -> Iterator[dict[str, Any] | None]:
    """The rows of an extract as the table holds them, received one after the other; None for one that does not fit."""
    stream = find_stream(extract.system, extract.stream)
    with duckdb.connect() as con:
        docs = [
            doc
            for file in extract.files
            for piece in read_documents(con, stream, file.path)
            for doc in piece["doc"].to_pylist()
        ]
    began = dt.datetime.combine(extract.extract_date, dt.time(), dt.UTC)
    for number, doc in enumerate(docs):
        try:
            row = row_of(stream, doc)
        except DoesNotFit:
            yield None
            continue
        row.setdefault(RECEIVED_AT, began + dt.timedelta(seconds=86_400 * number / len(docs)))
        yield row


def row_of(stream: Stream, doc: str | None) -> dict[str, Any]:
    """A document as a row of the table of its stream. Raises DoesNotFit."""
    if doc is None or "\\u0000" in doc:  # PostgreSQL has no text with it
        raise DoesNotFit
    members = json.loads(doc)
    fields = _fields(stream)
    if not members.keys() <= {field.name for field in fields}:
        raise DoesNotFit
    row = {field.name: _value(field, members.get(field.name)) for field in fields}
    if row.get(RECEIVED_AT, ...) is None:
        raise DoesNotFit
    return row


def _value(field: Field, value: Any) -> Any:
    """A value as a column of its type takes it. Raises DoesNotFit."""
    if value is None or field.type in HOLDS_JSON:
        return value
    match field.type, value:
        case "bool", bool():
            return value
        case "int", int() if not isinstance(value, bool) and -(2**63) <= value < 2**63:
            return value
        case "decimal" | "number_or_text", int() | float() if not isinstance(value, bool):
            return value
        case "timestamp", str() if ":" in value:  # of a date alone a column would make its midnight
            try:
                at = dt.datetime.fromisoformat(value)
            except ValueError:
                raise DoesNotFit from None
            return at.astimezone(dt.UTC) if at.tzinfo else at.replace(tzinfo=dt.UTC)
        case "text" | "id" | "uuid", str():
            return value
    raise DoesNotFit


if __name__ == "__main__":
    sys.exit(main())
