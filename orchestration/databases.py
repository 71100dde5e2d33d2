"""The databases of a home, opened for reading: the lake, the warehouse with the marts, the published marts.

What belongs here: connections and rows, and the one note that is written. What does not: what the rows mean (`checks`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from ingestion.home import Home
from ingestion.lake import Lake, attach_lake, attach_models
from ingestion.sql import quoted
from orchestration.wording import in_short

_log = logging.getLogger("daybook")

Connection = duckdb.DuckDBPyConnection
Row = dict[str, Any]

_COLLAPSED_EVENTS = """
    select date, cast(sum(collapsed_events) as bigint) as collapsed_events
    from marts.recommendation_funnel where collapsed_events > 0 group by date order by date"""


# What tells one measurement of the models from another; rounded as the mart has it.
_FIGURES = """
    select
        model_version, split, method, evaluated_on, attempts, is_champion,
        round(auc, 9) as auc, round(log_loss, 9) as log_loss, round(ece, 9) as ece
    from"""


@contextmanager
def lake_connection(home: Home) -> Iterator[Connection]:
    """The raw lake as `lake.raw.*`."""
    with duckdb.connect() as con:
        attach_lake(con, home)
        yield con


@contextmanager
def warehouse_connection(home: Home) -> Iterator[Connection]:
    """The lake, the warehouse and the marts at work, under the names that dbt gives them."""
    with lake_connection(home) as con:
        for name, path in (("warehouse", home.warehouse), ("daybook", home.marts)):
            con.execute(f"attach {quoted(str(path))} as {name} (read_only)")
        yield con


def published_books(home: Home) -> list[Row]:
    """The event ledger that the published marts carry; nothing where nothing is published."""
    return _of_published(home, "event_ledger", "select * from marts.event_ledger")


def working_books(home: Home) -> list[Row]:
    """The event ledger as it was built last, published or not."""
    return _of_mart(home.marts, "event_ledger", "select * from marts.event_ledger")


def published_collapsed_events(home: Home) -> list[Row]:
    """How many published events of each date have a key that an earlier producer reused."""
    return _of_published(home, "recommendation_funnel", _COLLAPSED_EVENTS)


def working_collapsed_events(home: Home) -> list[Row]:
    """The same as it was built last, published or not."""
    return _of_mart(home.marts, "recommendation_funnel", _COLLAPSED_EVENTS)


def published_figures(home: Home) -> list[Row]:
    """Which figures of models of topic mastery the published marts carry."""
    return _of_published(home, "mastery_evaluation", f"{_FIGURES} marts.mastery_evaluation")


def publication(home: Home) -> Row | None:
    """By which `code` the published copy was built, and when (`published_at`, UTC); None where it does not say."""
    return next(iter(_of_published(home, "publication", "select code, published_at from publication")), None)


def built_by(home: Home) -> str | None:
    """By which code the models in the work folder were built, whole; None where they are not, or nobody knows."""
    (signed,) = _of_mart(home.marts, "publication", "select code from publication") or [{"code": None}]
    return str(signed["code"]) if signed["code"] else None


def sign(home: Home, code: str) -> None:
    """Note by which code the models in the work folder were built, every one. Publishing copies the note."""
    with duckdb.connect(str(home.marts)) as con:
        con.execute(
            "create or replace table publication as select ?::varchar as code, null::timestamp as published_at", [code]
        )


def unsign(home: Home) -> None:
    """Take the note back before something is built: if that comes to no end, the models are not whole."""
    if home.marts.exists():
        with duckdb.connect(str(home.marts)) as con:
            con.execute("drop table if exists publication")


def lake_figures(home: Home) -> list[Row]:
    """Which figures of models of topic mastery the lake holds."""
    with duckdb.connect() as con:
        attach_models(con, Lake(home))
        return rows_of(con, f"{_FIGURES} lake.raw.mastery_evaluation")


def mart_rows(home: Home) -> dict[str, int]:
    """The published marts with their row counts; nothing where nothing is published."""
    if not home.published.exists():
        return {}
    try:
        with duckdb.connect(str(home.published), read_only=True) as con:
            return count_marts(con)
    except duckdb.Error as error:
        _tell_unreadable(home, error)
        return {}


def count_marts(con: Connection) -> dict[str, int]:
    """The row counts of the tables and views in the schema `marts` of a connection's database."""
    tables = rows_of(
        con,
        """select table_name from information_schema.tables
           where table_catalog = current_database() and table_schema = 'marts' order by table_name""",
    )
    counts = {}
    for table in tables:
        (counted,) = rows_of(con, f'select count(*) as n from marts."{table["table_name"]}"')
        counts[table["table_name"]] = counted["n"]
    return counts


def _of_published(home: Home, mart: str, query: str) -> list[Row]:
    """The rows of a query over a published mart. What cannot be read is not published: the next night replaces it."""
    try:
        return _of_mart(home.published, mart, query)
    except duckdb.Error as error:
        _tell_unreadable(home, error)
        return []


def _tell_unreadable(home: Home, error: duckdb.Error) -> None:
    _log.warning("%s cannot be read, and counts as not published: %s", home.published, in_short(str(error)))


def _of_mart(database: Path, mart: str, query: str) -> list[Row]:
    """The rows of a query over a mart; none where the database or the mart is not there."""
    if not database.exists():
        return []
    with duckdb.connect(str(database), read_only=True) as con:
        found = rows_of(con, "select 1 from duckdb_tables() where table_name = ?", [mart])
        return rows_of(con, query) if found else []


def rows_of(con: Connection, query: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Row]:
    """The rows of a query by column name."""
    cursor = con.execute(query, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
