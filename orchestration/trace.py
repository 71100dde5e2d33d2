"""From a number of a mart back to the rows in the landing zone that it is made of.

What belongs here: the queries of the guide, and the connection that they run on, where every row says where it lies.
What does not: what the numbers mean (the models), and the rows as they lie (`ingestion.show`).

The guide is the one home of the queries: analysts read there what runs here.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import yaml

from ingestion.contract import load_contracts
from ingestion.home import Home
from ingestion.lock import writer_lock
from orchestration.databases import (
    Connection,
    published_books,
    rows_of,
    warehouse_connection,
    working_books,
)
from orchestration.planning import lake_loads, loads_of

_CHECKOUT = Path(__file__).resolve().parent.parent
GUIDE = _CHECKOUT / "docs" / "guides" / "trace.md"
_PROJECT = _CHECKOUT / "dbt_project" / "dbt_project.yml"

_SECTION = re.compile(r"^### `(?P<mart>\w+)`\n(?P<text>.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sql\n(?P<sql>.*?)^```", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"^-- (?P<column>\w+) = (?P<aggregate>.+)$", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\w+)")

# So many rows are printed, in lines so wide that no column is left out.
_SHOWN_ROWS = 40
_WIDTH = 10_000

# Names without a schema are looked for here, in this order.
_SEARCH_PATH = "daybook.marts,warehouse.intermediate,warehouse.staging,memory.main"

# The models that hold the rows of the streams, all copies of them: events, and rows of reference data.
_EVENTS = {
    "study": "base_study__events",
    "recommendation": "base_recommendation__events",
    "collaboration": "base_collaboration__events",
    "textbook": "base_textbook__events",
}
_REFERENCES = {
    "base_study__topics": "study",
    "base_study__topic_prerequisites": "study",
    "base_study__questions": "study",
    "base_assessment__test_sessions": "assessment",
    "base_assessment__session_questions": "assessment",
}

_VERDICT = "case copy_status when 'kept' then 'accepted' else copy_status end"

_LANDED = """
create temp view landed as
with posted as (
    {posted}
)
select
    system || '/' || extract_date || '/' || source_file as file,
    source_line as line,
    batch_index,
    verdict,
    event_ts,
    event_type,
    event_id,
    system,
    stream,
    extract_date,
    coalesce(source, '-') as source,
    load_id
from (
    select posted.*, loads.load_id
    from posted left join lake.raw.loads as loads using (system, stream, extract_date)
    union all by name
    select
        system, stream, source, reason as verdict, extract_date, source_file, source_line, batch_index, load_id
    from lake.raw.quarantine
)"""

_LANDED_OF = """
create temp view landed_{system} as
select file, line, batch_index, event_ts, event_type, event_id, extract_date, load_id
from landed
where system = '{system}' and verdict = 'accepted'"""

# The time from an event to the next one of its session, as far as it was active: no more than `inactivity_minutes`, not
# after a `session_end` or the end of the session, not paused.
_SESSION_TIMELINE = """
create temp view session_timeline as
select
    events.*,
    sessions.user_id as session_user_id,
    lag(events.event_ts) over in_time is null as is_first,
    lead(events.event_ts) over in_time as next_at,
    case
        when
            next_at <= events.event_ts + to_minutes(getvariable('inactivity_minutes'))
            and events.event_type != 'session_end'
            and not coalesce(last_value(
                case
                    when events.event_type = 'session_pause' then true
                    when events.event_type in ('session_start', 'session_resume') or events.is_learning_event then false
                end ignore nulls
            ) over (in_time rows between unbounded preceding and current row), false)
            and (sessions.end_reason != 'explicit' or events.event_ts < sessions.ended_at)
            then next_at
        else events.event_ts
    end as active_until
from int_study__session_events as events
join study_sessions as sessions using (session_id)
window in_time as (partition by events.session_id order by events.event_ts, events.event_id)"""

# The events of test sessions in order, numbered by the visit that they belong to, with the time to the next one, and
# whether the learner was away from then: after a blur, until the next focus, or until the session is over.
_TEST_SESSION_TIMELINE = """
create temp view test_session_timeline as
select
    *,
    row_number() over in_order as place,
    count(*) filter (event_type in ('QUESTION_VIEWED', 'SESSION_SUBMITTED', 'SESSION_EXPIRED')) over so_far as visit,
    lead(event_ts) over in_order as next_at,
    coalesce(last_value(state ignore nulls) over so_far = 'blur', false) and (
        count(*) filter (state = 'focus') over to_come > 0
        or count(*) filter (event_type in ('SESSION_SUBMITTED', 'SESSION_EXPIRED')) over so_far = 0
    ) as is_away
from int_assessment__events
window
    in_order as (partition by session_id order by event_ts, seq nulls last, event_id),
    so_far as (in_order rows between unbounded preceding and current row),
    to_come as (in_order rows between 1 following and unbounded following)"""

# The events of funnels, each with the attempt in whose scope it lies, and whether it is where a step was reached. A
# first step also opens an attempt: of several at one instant the last one has the scope.
_FUNNEL_TIMELINE = """
create temp view funnel_timeline as
with placed as (
    select
        *,
        count(*) filter (step = 1) over so_far as attempt,
        case
            when step = 1 then row_number() over (
                partition by funnel, entity, step order by event_ts, order_at_an_instant nulls last, event_id
            )
        end as opens,
        max(case when step = 1 then event_ts end) over so_far + to_hours(window_hours) as closes_at
    from int_funnels__events
    window so_far as (partition by funnel, entity order by event_ts)
)
select
    placed.* exclude (closes_at),
    attempts.opened_event_id,
    attempts.opened_at,
    attempts.outcome,
    coalesce(placed.event_ts <= placed.closes_at, false) as is_in_scope,
    is_in_scope and placed.event_ts is not distinct from [
        step_1_at, step_2_at, step_3_at, step_4_at, step_5_at, step_6_at, step_7_at, step_8_at
    ][placed.step] as is_reached
from placed
left join funnel_attempts as attempts using (funnel, entity, attempt)"""

_MASTERY_SCORE_AT = """
create temp macro mastery_score_at(state, instant) as
    round(1 / (1 + exp(-(
        state.log_odds_at_practice + state.log_odds_per_log_day
        * ln(1 + greatest(epoch_us(instant) - epoch_us(state.attempted_at), 0) / 86400e6 / state.fading_days)
    ))), 9)"""

_SECONDS_BETWEEN = """
create temp macro seconds_between(earlier, later) as
    cast((epoch_us(later) - epoch_us(earlier)) / 1e6 as decimal(18, 6))"""


class TraceError(Exception):
    """A number that cannot be traced as asked; the message says what is missing."""


@dataclass(frozen=True)
class Query:
    """A query of the guide: the rows behind a row of a mart, and the mart's numbers as aggregates of these rows."""

    mart: str
    sql: str
    figures: Mapping[str, str]  # column of the mart: aggregate

    @property
    def parameters(self) -> list[str]:
        """The columns that say which row of the mart: its key."""
        return sorted(set(_PARAMETER.findall(self.sql)))


@dataclass(frozen=True)
class Figure:
    """A number as the mart has it, and as the traced rows add up to it."""

    column: str
    in_mart: object
    traced: object

    @property
    def is_same(self) -> bool:
        """Whether the rows add up to the number, to its last digit."""
        return self.in_mart == self.traced


def read_guide(path: Path = GUIDE) -> list[Query]:
    """The queries of the guide, in its order."""
    return [
        Query(
            section["mart"], block["sql"].strip(), {f["column"]: f["aggregate"] for f in _FIGURE.finditer(block["sql"])}
        )
        for section in _SECTION.finditer(path.read_text())
        for block in _BLOCK.finditer(section["text"])
    ]


def find_query(name: str) -> Query:
    """The query for `mart.column`, or the first one of `mart`. Raises TraceError."""
    mart, _, column = name.partition(".")
    queries = [query for query in read_guide() if query.mart == mart]
    if not queries:
        raise TraceError(f"{mart}: the guide has no such mart; see docs/guides/trace.md")
    for query in queries:
        if not column or column in query.figures:
            return query
    known = ", ".join(column for query in queries for column in query.figures)
    raise TraceError(f"{name}: no query adds up to it; those of the mart add up to {known}. See docs/guides/trace.md")


@contextmanager
def trace_connection(home: Home) -> Iterator[Connection]:
    """Marts, models and lake, with `landed`: every row of the extracts, where it lies and what became of it.

    Whoever calls holds the writer lock: DuckDB lets nobody read while a night writes.
    """
    with warehouse_connection(home) as con:
        con.execute("set timezone = 'UTC'")
        con.execute(f"set search_path = '{_SEARCH_PATH}'")
        for name, value in yaml.safe_load(_PROJECT.read_text())["vars"].items():
            if isinstance(value, int | float):
                con.execute(f"set variable {name} = {value}{'e0' if isinstance(value, float) else ''}")
        con.execute(_LANDED.format(posted="\n    union all\n    ".join(_posted())))
        for system in load_contracts():
            con.execute(_LANDED_OF.format(system=system))
        for statement in (
            _SESSION_TIMELINE,
            _TEST_SESSION_TIMELINE,
            _FUNNEL_TIMELINE,
            _SECONDS_BETWEEN,
            _MASTERY_SCORE_AT,
        ):
            con.execute(statement)
        yield con


def trace(con: Connection, sql: str, key: Mapping[str, str]) -> pa.Table:
    """The rows of a query, guide's or not. Raises TraceError where its parameters are others than those given."""
    wanted = set(_PARAMETER.findall(sql))
    if wanted != key.keys():
        raise TraceError(f"the query takes {' '.join(f'{name}=…' for name in sorted(wanted)) or 'no parameters'}")
    try:
        return con.execute(sql, dict(key)).to_arrow_table()
    except AttributeError:  # DuckDB's result of no statement at all
        raise TraceError("there is no query") from None


def figures(con: Connection, query: Query, key: Mapping[str, str], rows: pa.Table) -> list[Figure]:
    """The numbers of a row of a mart, beside what its traced rows add up to. Raises TraceError where there is none."""
    if not query.figures:
        return []
    of_row = " and ".join(f"cast({name} as varchar) = ${name}" for name in query.parameters) or "true"
    in_mart = rows_of(con, f"select {', '.join(query.figures)} from {query.mart} where {of_row}", dict(key))
    if not in_mart:
        raise TraceError(f"{query.mart}: no such row")
    aggregates = ", ".join(f"{aggregate} as {column}" for column, aggregate in query.figures.items())
    con.register("traced", rows)
    used = {name: key[name] for name in _PARAMETER.findall(aggregates)}
    (traced,) = rows_of(con, f"select {aggregates} from traced", used)
    return [Figure(column, in_mart[0][column], traced[column]) for column in query.figures]


def show_trace(home: Home, number: str, key: Mapping[str, str], as_csv: bool = False) -> int:
    """Print the rows behind a number and what they add up to; the exit status is 0 if that is the number."""
    mart, _, column = number.partition(".")
    try:
        query = Query("", sys.stdin.read(), {}) if number == "-" else find_query(number)
        _check_built(home)
        with writer_lock(home, "trace", report=_note), trace_connection(home) as con:
            is_news = not is_published(home)
            rows = trace(con, query.sql, key)
            found = [figure for figure in figures(con, query, key, rows) if figure.column == column or not column]
    except (TraceError, duckdb.Error) as error:
        _note(str(error))
        return 2
    if is_news:
        _note("what is published is older than the lake; this is what the next night publishes, as far as it is built")
    if as_csv:
        pa.csv.write_csv(rows, sys.stdout.buffer)
        return 0
    told = [name for name in rows.column_names if rows[name].null_count < len(rows)] or rows.column_names
    duckdb.from_arrow(rows.select(told)).show(max_rows=_SHOWN_ROWS, max_width=_WIDTH)
    for figure in found:
        aggregate = query.figures[figure.column]
        same = "=" if figure.is_same else f"is not {figure.traced} ="
        print(f"{mart}.{figure.column} = {figure.in_mart} {same} {aggregate}")
    return 0 if all(figure.is_same for figure in found) else 1


def is_published(home: Home) -> bool:
    """Whether what analysts read is made of what lake and warehouse hold now."""
    published = published_books(home)
    return published == working_books(home) and loads_of(published) == lake_loads(home)


def _check_built(home: Home) -> None:
    for database in (home.warehouse, home.marts):
        if not database.exists():
            raise TraceError(f"{database} is not there: nothing was built on DuckDB yet. Run make nightly first")


def _note(message: str) -> None:
    print(message, file=sys.stderr)


def _posted() -> Iterator[str]:
    """The rows that contracts let pass, with what became of each."""
    place = "extract_date, source_file, source_line, batch_index"
    for system, model in _EVENTS.items():
        yield (
            f"select '{system}' as system, stream, null as source, event_id, event_type, event_ts, {place},"
            f" {_VERDICT} as verdict from {model}"
        )
    # Copies are settled in one model, and the copies that stay are judged in the next.
    of_assessment = f"select 'assessment' as system, stream, source, event_id, event_type, event_ts, {place}"
    yield f"{of_assessment}, {_VERDICT} as verdict from base_assessment__events where copy_status != 'kept'"
    yield f"{of_assessment}, verdict from base_assessment__judged_events"
    for model, system in _REFERENCES.items():
        yield (
            f"select '{system}' as system, stream, null as source, row_id as event_id, stream as event_type,"
            f" null as event_ts, {place}, {_VERDICT} as verdict from {model}"
        )
