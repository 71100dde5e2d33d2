"""The asset checks: what they measure, when they fail, and what they show.

What belongs here: the rules, as pure functions over the ledger's rows, and the checks made of them. What does not: dbt
tests (they are checks by themselves, see `assets`), and the loading.

A check's metadata says what was measured and shows a sample where rows failed: files, lines, reasons and counts, never
the contents of a row.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import dagster as dg

from ingestion.contract import Reason, Stream
from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.ledger import Difference, Load, active_loads, verify
from mastery.model import Figures
from mastery.refit import METHODS
from mastery.store import Store
from orchestration.databases import (
    Row,
    lake_connection,
    published_books,
    published_collapsed_events,
    rows_of,
    working_books,
    working_collapsed_events,
)
from orchestration.partitions import DateRange
from orchestration.planning import due_date
from orchestration.resources import Writer
from orchestration.wording import counted

WARN_REJECTED, ERROR_REJECTED = 0.05, 0.20

# A delivery that repeats more than this share of itself is no longer the usual retry; of a few rows, any share is.
WARN_DUPLICATES, FEW_DUPLICATES = 0.05, 100

# The reason by which rows of an event type are rejected that the contract does not have.
UNKNOWN_TYPE: Reason = "unknown_event_type"

_SAMPLE, _SAMPLE_OF_A_REASON = 10, 3

_WHERE_ROWS_GO = ("rows_accepted", "rows_rejected", "rows_duplicate", "rows_conflict", "rows_erased")

EVENT_LEDGER = dg.AssetKey(["marts", "event_ledger"])
RECOMMENDATION_FUNNEL = dg.AssetKey(["marts", "recommendation_funnel"])
MASTERY_MODEL = dg.AssetKey(["mastery_model"])


def stream_key(stream: Stream) -> dg.AssetKey:
    """The asset of a stream."""
    return dg.AssetKey([stream.system, stream.name])


@dataclass(frozen=True)
class Verdict:
    """What a rule found."""

    passed: bool
    description: str
    metadata: dict[str, Any]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN

    def result(self, key: dg.AssetKey, name: str) -> dg.AssetCheckResult:
        """The verdict as a check's result."""
        return dg.AssetCheckResult(
            asset_key=key,
            check_name=name,
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )


# The rules


def ledger_balances(loads: Sequence[Load], differences: Sequence[Difference]) -> Verdict:
    """The lake holds what the ledger says (whose rows balance in themselves: one that does not is no `Load`)."""
    wrong = [
        {"extract_date": found.extract_date, "what": found.what, "ledger": found.ledger, "lake": found.lake}
        for found in differences
    ]
    return Verdict(
        not wrong,
        f"{_list({row['extract_date'] for row in wrong})}: the ledger and the lake do not agree"
        if wrong
        else "rows read = accepted + rejected + erased, and the lake holds what the ledger says",
        _of_loads(loads, "rows_read", "rows_accepted", "rows_rejected", "rows_erased") | _sample(wrong),
        dg.AssetCheckSeverity.ERROR,
    )


def rejection_rate(loads: Sequence[Load], sample: Callable[[Sequence[Load]], Sequence[Row]]) -> Verdict:
    """No date rejects more than 5 % of its rows (a warning), or 20 % (an error).

    `sample` finds rejected rows of some loads: of those that reject too much, or of all where none does.
    """
    worst = max((_share(load.rows_rejected, load.rows_read) for load in loads), default=0.0)
    limit = ERROR_REJECTED if worst > ERROR_REJECTED else WARN_REJECTED
    too_many = [load for load in loads if _share(load.rows_rejected, load.rows_read) > limit]
    bad = [load.extract_date for load in too_many]
    by_reason: Counter[str] = Counter()
    for load in loads:
        by_reason.update({reason: rows for reason, rows in load.rejected.items() if rows})
    reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in by_reason.most_common())
    return Verdict(
        not bad,
        f"{_list(bad)}: more than {limit:.0%} of the rows are rejected, {worst:.1%} at worst ({reasons})"
        if bad
        else f"at most {worst:.1%} of a date's rows are rejected" + (f" ({reasons})" if reasons else ""),
        _of_loads(loads, "rows_read", "rows_rejected")
        | {f"rejected_{reason}": rows for reason, rows in by_reason.most_common()}
        | {"worst_share": worst, "warns_above": WARN_REJECTED, "is_an_error_above": ERROR_REJECTED}
        | _sample(sample(too_many or loads) if by_reason else []),
        dg.AssetCheckSeverity.ERROR if worst > ERROR_REJECTED else dg.AssetCheckSeverity.WARN,
    )


def extract_present(loads: Sequence[Load], missing: Collection[date]) -> Verdict:
    """Every extract that was to be expected came, and brought at least one row."""
    empty = [load.extract_date for load in loads if not load.rows_read]
    problems = [
        text
        for text in (
            f"no extract for {_list(missing)}" if missing else "",
            f"an empty extract for {_list(empty)}" if empty else "",
        )
        if text
    ]
    return Verdict(
        not problems,
        "; ".join(problems) or "every expected extract came and holds rows",
        _of_loads(loads) | {"missing": _list(missing, 50) or "none", "empty": _list(empty, 50) or "none"},
    )


def freshness(newest: date | None, newest_of_all: date | None, due: date | None, today: date) -> Verdict:
    """The stream is as far as the other streams, as far as the calendar where the warehouse is live, and no further."""
    wanted = max((day for day in (newest_of_all, due) if day), default=None)
    measured: dict[str, Any] = {
        "newest_extract_date": str(newest),
        "newest_of_all_streams": str(newest_of_all),
        "due_by_the_calendar": str(due) if due else "nothing",
    }
    if newest is None:
        return Verdict(True, "the stream was never delivered, so nothing is late", measured)
    if newest > today:
        told = f"the newest extract is of {newest}, a day that has not begun, and moves as-of to its end"
        return Verdict(False, told, measured)
    behind = (wanted - newest).days if wanted else 0
    return Verdict(
        behind <= 0,
        f"the newest extract is of {newest}, {counted(behind, 'day')} behind {wanted}"
        if behind > 0
        else f"loaded up to {newest}",
        measured | {"days_behind": max(behind, 0)},
    )


def schema_drift(loads: Sequence[Load]) -> Verdict:
    """The extracts hold no field, value or event type that the contract does not know.

    Rows of an unknown type are rejected, and too few of them to be noticed as that where the type is rare.
    """
    rows: Counter[tuple[str, str, str]] = Counter()
    for load in loads:
        if of_unknown_type := load.rejected.get(UNKNOWN_TYPE, 0):
            rows["event_type", "", UNKNOWN_TYPE] += of_unknown_type
        for drift in load.drift:
            rows[drift.field, drift.event_type or "", drift.kind] += drift.rows
    found = [
        {"field": field, "event_type": event_type, "kind": kind, "rows": count}
        for (field, event_type, kind), count in rows.most_common()
    ]
    return Verdict(
        not found,
        f"{counted(len(found), 'thing')} that the contract does not know, such as {_drift_text(found[0])}"
        if found
        else "the extracts hold what the contract declares",
        _of_loads(loads) | {"kinds_of_drift": len(found)} | _sample(found),
    )


def duplicates(rows: Sequence[Row]) -> Verdict:
    """No delivery repeats more than 5 % of its rows."""
    bad = [
        row
        for row in rows
        if row["rows_duplicate"] > FEW_DUPLICATES and _share(row["rows_duplicate"], row["rows_read"]) > WARN_DUPLICATES
    ]
    repeated, read = sum(row["rows_duplicate"] for row in rows), sum(row["rows_read"] for row in rows)
    return Verdict(
        not bad,
        f"{_places(bad)}: more than {WARN_DUPLICATES:.0%} of the rows came before"
        if bad
        else f"{_share(repeated, read):.1%} of the rows came before",
        _measured(rows, "rows_read", "rows_duplicate")
        | {"warns_above_share": WARN_DUPLICATES, "and_above_rows": FEW_DUPLICATES}
        | _sample([_brief(row, "rows_read", "rows_duplicate") for row in bad]),
    )


def conflicts(rows: Sequence[Row]) -> Verdict:
    """No event came again with other content: that is the trace of an upstream that overwrites its events."""
    bad = [row for row in rows if row["rows_conflict"]]
    return Verdict(
        not bad,
        f"{_places(bad)}: {counted(sum(row['rows_conflict'] for row in bad), 'event')} came again, with other content"
        if bad
        else "no event came again with other content",
        _measured(rows, "rows_read", "rows_conflict") | _sample([_brief(row, "rows_conflict") for row in bad]),
    )


def collapsed_events(working: Sequence[Row], published: Sequence[Row]) -> Verdict:
    """No date has more events whose key was reused than the published marts know of."""
    known = {row["date"]: row["collapsed_events"] for row in published}
    new = [
        {"date": row["date"], "new_collapsed_events": row["collapsed_events"] - known.get(row["date"], 0)}
        for row in working
        if row["collapsed_events"] > known.get(row["date"], 0)
    ]
    events = sum(row["new_collapsed_events"] for row in new)
    return Verdict(
        not new,
        f"{_list([row['date'] for row in new])}: {counted(events, 'new event')} with a key that is overwritten on "
        "every repeat; what happened between two extracts is lost"
        if new
        else "no new event has a key that is overwritten on every repeat",
        {
            "new_collapsed_events": events,
            "collapsed_events": sum(row["collapsed_events"] for row in working),
        }
        | _sample(new),
    )


def beats_naive_methods(figures: Sequence[Figures], champion: str) -> Verdict:
    """The champion says better than each naive method what learners answer whom it was not fitted on."""
    held_out = {f.method: f for f in figures if (f.model_version, f.split) == (champion, "held_out")}
    mastery = held_out.pop("mastery", None)
    if mastery is None or not held_out:
        return Verdict(True, f"{champion} was not measured yet", {"model_version": champion})
    beaten_by = [
        f"{METHODS[method]} (AUC {naive.auc:.4f}, log-loss {naive.log_loss:.4f})"
        for method, naive in held_out.items()
        if not (mastery.auc > naive.auc and mastery.log_loss < naive.log_loss)
    ]
    told = f"AUC {mastery.auc:.4f}, log-loss {mastery.log_loss:.4f}"
    return Verdict(
        not beaten_by,
        f"{champion} ({told}) does not beat {', '.join(beaten_by)}" if beaten_by else f"{champion} beats each: {told}",
        {"model_version": champion, "evaluated_on": str(mastery.evaluated_on), "attempts": mastery.attempts}
        | {f"{f.method}_auc": f.auc for f in (mastery, *held_out.values())}
        | {f"{f.method}_log_loss": f.log_loss for f in (mastery, *held_out.values())},
    )


def books_balance(books: Sequence[Row], loads: Sequence[Load], differences: Sequence[Difference] = ()) -> Verdict:
    """The mart's books balance, hold every load of the lake, and the lake holds what its ledger says.

    A dbt test compares them with what staging holds.
    """
    posted = {_where(row): row for row in books}
    wrong: list[Row] = []

    def note(place: tuple[str, str, date], found: str) -> None:
        system, stream, day = place
        wrong.append({"system": system, "stream": stream, "extract_date": day, "found": found})

    for place, row in posted.items():
        accounted = sum(row[column] for column in _WHERE_ROWS_GO)
        if accounted != row["rows_read"]:
            note(place, f"{row['rows_read']} rows read, {accounted} accounted for")
    for load in loads:
        found = posted.pop(load.key, None)
        if found is None:
            note(load.key, "not in the books")
        elif (found["rows_read"], found["rows_erased"]) != (load.rows_read, load.rows_erased):
            note(load.key, f"{found['rows_read']} rows read, {load.rows_read} by the ledger")
    for place in posted:
        note(place, "in the books, but not in the lake")
    for gap in differences:
        note(
            (gap.system, gap.stream, gap.extract_date),
            f"{gap.what}: {gap.ledger} by the ledger, {gap.lake} in the lake",
        )
    return Verdict(
        not wrong,
        f"{counted(len(wrong), 'error')} in the books, such as {' '.join(str(value) for value in wrong[0].values())}"
        if wrong
        else "rows read = accepted + rejected + duplicate + conflict + erased, for every stream and extract date",
        _measured(books, "rows_read", *_WHERE_ROWS_GO) | _sample(wrong),
        dg.AssetCheckSeverity.ERROR,
    )


def _where(row: Row) -> tuple[str, str, date]:
    return row["system"], row["stream"], row["extract_date"]


def _brief(row: Row, *columns: str) -> Row:
    return {
        "system": row["system"], "stream": row["stream"], "extract_date": str(row["extract_date"]),
        **{column: row[column] for column in columns},
    }  # fmt: skip


def _of_loads(loads: Sequence[Load], *columns: str) -> dict[str, Any]:
    return _measured(
        [{"extract_date": load.extract_date, **{name: getattr(load, name) for name in columns}} for load in loads],
        *columns,
    )


def _measured(rows: Sequence[Row], *columns: str) -> dict[str, Any]:
    """Which dates a check looked at, and their totals."""
    dates = sorted({row["extract_date"] for row in rows})
    span = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else str(dates[0]) if dates else "none"
    return {
        "dates": span,
        "dates_measured": len(dates),
        **{column: sum(row[column] for row in rows) for column in columns},
    }


def _sample(rows: Sequence[Row]) -> dict[str, Any]:
    if not rows:
        return {}
    return {
        "sample": dg.MetadataValue.table(
            [dg.TableRecord({k: plain(v) for k, v in row.items()}) for row in rows[:_SAMPLE]]
        )
    }


def plain(value: object) -> str | int | float | bool | None:
    """A value as a metadata table can hold it."""
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _places(rows: Sequence[Row]) -> str:
    return _list({f"{row['system']}/{row['stream']} {row['extract_date']}" for row in rows})


def _list(dates: Collection[object], most: int = 3) -> str:
    told = sorted(str(day) for day in dates)
    return ", ".join(told[:most]) + (f" and {len(told) - most} more" if len(told) > most else "")


def _drift_text(drift: Row) -> str:
    where = f" of {drift['event_type']}" if drift["event_type"] else ""
    return f"{drift['kind']} {drift['field']}{where} in {counted(drift['rows'], 'row')}"


# The checks of a stream, evaluated where its dates are loaded

_STREAM_CHECKS = {
    "ledger_balances": "Every row read was kept, quarantined or erased; the lake holds what the ledger says. Blocking.",
    "rejection_rate": f"Rejected: more than {WARN_REJECTED:.0%} of a date warns, {ERROR_REJECTED:.0%} is an error",
    "extract_present": "Where other streams of the system came, or the date is due, this one came too, and not empty.",
    "freshness": "As far as the other streams, and as the calendar where extracts come day by day; not beyond today.",
    "schema_drift": "The extracts hold no field, event type or value of a closed list that the contract does not know.",
}


def stream_check_specs(key: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """What is checked of a stream whenever dates of it are loaded."""
    return [
        dg.AssetCheckSpec(name, asset=key, description=description, blocking=name == "ledger_balances")
        for name, description in _STREAM_CHECKS.items()
    ]


def check_stream(
    home: Home, stream: Stream, taken: DateRange, loaded: Collection[date], now: datetime
) -> Iterator[dg.AssetCheckResult]:
    """Check the dates that a run loaded; a run that loaded none checks the newest date it could have."""
    key = stream_key(stream)
    known = {place: load for place, load in active_loads(home).items() if load.extract_date <= taken.last}
    own = {
        load.extract_date: load for load in known.values() if (load.system, load.stream) == (stream.system, stream.name)
    }
    newest = max(own, default=None)
    dates = set(loaded) or ({newest} if newest else set())
    loads = [own[day] for day in sorted(dates)]
    load_ids = [load.load_id for load in loads]
    yield ledger_balances(loads, verify(home, load_ids)).result(key, "ledger_balances")
    yield rejection_rate(loads, lambda of: _rejected_rows(home, [load.load_id for load in of])).result(
        key, "rejection_rate"
    )

    landing = [extract for extract in discover(home).extracts if extract.extract_date <= taken.last]
    due = due_date({place: load.loaded_at.replace(tzinfo=None) for place, load in known.items()}, now)
    due = due if due and due in taken else None
    others = {load.extract_date for load in known.values()} | {extract.extract_date for extract in landing}
    if newest is None or stream.snapshot:  # nobody waits for what never came; a snapshot holds until the next one
        yield extract_present(loads, set()).result(key, "extract_present")
        yield freshness(newest, newest, None, now.date()).result(key, "freshness")
    else:
        came = {e.extract_date for e in landing if (e.system, e.stream) == (stream.system, stream.name)} | own.keys()
        expected = {e.extract_date for e in landing if e.system == stream.system} | ({due} if due else set())
        yield extract_present(loads, {day for day in expected - came if day in taken}).result(key, "extract_present")
        # A date ahead is no measure.
        past = max((day for day in others if day <= now.date()), default=None)
        yield freshness(newest, past, due, now.date()).result(key, "freshness")
    yield schema_drift(loads).result(key, "schema_drift")


def _rejected_rows(home: Home, load_ids: Sequence[str]) -> list[Row]:
    """A few rows of each reason, the most frequent reason first. Of the detail the field at fault, and not its value.

    What is said of a malformed row tells where it breaks, and holds no value.
    """
    with lake_connection(home) as con:
        return rows_of(
            con,
            f"""select extract_date, source_file, source_line, reason,
                    if(reason = 'malformed', detail, split_part(detail, ': ', 1)) as detail
                from lake.raw.quarantine
                where load_id in (select unnest(?::varchar[]))
                window of_reason as (partition by reason)
                qualify row_number() over (of_reason order by extract_date, source_file, source_line, batch_index)
                    <= {_SAMPLE_OF_A_REASON}
                order by count(*) over of_reason desc, reason, extract_date, source_file, source_line, batch_index
                limit {_SAMPLE}""",
            [load_ids],
        )


# The checks of what only all dates together can tell, on the marts. (Not on the streams: a check on a stream
# runs whenever one date of it is loaded, and knows nothing of the transformation behind it.)


@dg.asset_check(
    asset=EVENT_LEDGER,
    name="books_balance",
    blocking=True,
    description="rows read = accepted + rejected + duplicate + conflict + erased for every load of the lake, none is "
    "missing, and the lake holds what its ledger says of those that are not published yet. Blocking.",
)
def books_balance_check(writer: Writer) -> dg.AssetCheckResult:
    """All books, against themselves and the lake; the lake's own rows where the published marts do not have them yet.

    The load that wrote a row has counted it too. But that was another run: what is not right must not be published.
    """
    books, loads = working_books(writer.home), list(active_loads(writer.home).values())
    news = {_where(row) for row in unpublished(books, published_books(writer.home))}
    counted_again = verify(writer.home, [load.load_id for load in loads if load.key in news])
    verdict = books_balance(books, loads, counted_again)
    return verdict.result(EVENT_LEDGER, "books_balance")


@dg.asset_check(
    asset=EVENT_LEDGER,
    name="duplicates",
    description=f"A delivery with more than {WARN_DUPLICATES:.0%} and {FEW_DUPLICATES} rows of repeats warns. "
    "Measured: what changed since the marts were published.",
)
def duplicates_check(writer: Writer) -> dg.AssetCheckResult:
    """The books of tonight."""
    news = unpublished(working_books(writer.home), published_books(writer.home))
    return duplicates(news).result(EVENT_LEDGER, "duplicates")


@dg.asset_check(
    asset=EVENT_LEDGER,
    name="conflicts",
    description="An event that comes again with other content warns. Measured: what changed since the marts were "
    "published.",
)
def conflicts_check(writer: Writer) -> dg.AssetCheckResult:
    """The books of tonight."""
    news = unpublished(working_books(writer.home), published_books(writer.home))
    return conflicts(news).result(EVENT_LEDGER, "conflicts")


@dg.asset_check(
    asset=RECOMMENDATION_FUNNEL,
    name="collapsed_events",
    description="Events with a key that is overwritten on every repeat warn the moment new ones appear: a producer has "
    "lost interactions. Measured: what the published marts do not know.",
)
def collapsed_events_check(writer: Writer) -> dg.AssetCheckResult:
    """The events of tonight."""
    verdict = collapsed_events(working_collapsed_events(writer.home), published_collapsed_events(writer.home))
    return verdict.result(RECOMMENDATION_FUNNEL, "collapsed_events")


@dg.asset_check(
    asset=MASTERY_MODEL,
    name="mastery_beats_naive_methods",
    description="The model that scores predicts held-out learners better than the topic's average, the running "
    "accuracy and the exponentially weighted accuracy, by AUC and by log-loss. Measured: the newest figures.",
)
def mastery_beats_naive_methods_check(writer: Writer) -> dg.AssetCheckResult:
    """The newest figures of the champion, and those of the naive methods beside it."""
    store = Store(writer.home)
    verdict = beats_naive_methods(store.figures(), store.champion().version)
    return verdict.result(MASTERY_MODEL, "mastery_beats_naive_methods")


MASTERY_CHECKS = [mastery_beats_naive_methods_check]
MART_CHECKS = [books_balance_check, duplicates_check, conflicts_check, collapsed_events_check]


def unpublished(books: Sequence[Row], published: Sequence[Row]) -> list[Row]:
    """The books' rows that are not, as they are, in the published marts: what this night changed."""
    known = {_where(row): row for row in published}
    return [row for row in books if row != known.get(_where(row))]
