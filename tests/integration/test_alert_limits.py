"""Alerts at their limits: the SQL that dbt compiles, over tables written by hand.

That they warn and are silent on extracts is shown in `test_alerts`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from tests.integration.warehouse import Rows, Warehouse

DAY = date(2026, 3, 10)  # a Tuesday
NIGHT = datetime(2026, 3, 11)  # as-of, the end of that day
ALERTS = [
    "volume_alert", "source_volume_alert", "event_type_volume_alert", "rejections_alert", "filled_fields_alert",
    "reported_attempts_drift", "reported_xp_drift", "late_rate_alert", "failed_loads_alert", "clock_ahead_alert",
    "clock_skew_alert",
]  # fmt: skip
COUNTED = ["int_operations__filled_fields"]  # what alerts read that is made of the tables here
Tables = dict[str, Rows]


def before(days: int) -> date:
    return DAY - timedelta(days=days)


class Alerts:
    """The compiled alerts, and tables as the models declare them to run them on."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self.nodes = manifest["nodes"]
        self.alerts = {node["name"]: node for node in self.nodes.values() if node["name"] in ALERTS}

    def told(self, alert: str, tables: Tables, as_of: datetime = NIGHT) -> Rows:
        """What an alert says of rows of some tables; all other tables that it reads are empty."""
        node = self.alerts[alert]
        contents = {**tables, "int_as_of": [{"as_of": as_of}]}
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            con.execute("attach ':memory:' as daybook")
            con.execute("attach ':memory:' as warehouse")
            self.make_parents(con, node, contents)
            assert not contents.keys() - {"int_as_of"}
            found = con.execute(node["compiled_code"])
            names = [column[0] for column in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def make_parents(self, con: duckdb.DuckDBPyConnection, node: dict[str, Any], contents: Tables) -> None:
        """Make the tables that a node reads, and take their rows out of the contents."""
        for parent in (self.nodes[name] for name in node["depends_on"]["nodes"]):
            columns = ", ".join(f'"{name}" {column["data_type"]}' for name, column in parent["columns"].items())
            con.execute(f"create schema if not exists {parent['database']}.{parent['schema']}")
            con.execute(f"create table {parent['relation_name']} ({columns})")
            if parent["name"] in COUNTED:
                self.make_parents(con, parent, contents)
                con.execute(f"insert into {parent['relation_name']} by name {parent['compiled_code']}")
            elif given := contents.pop(parent["name"], []):
                names = list(dict.fromkeys(name for row in given for name in row))
                con.register("given", pa.table({name: [row.get(name) for row in given] for name in names}))
                con.execute(f"insert into {parent['relation_name']} by name from given")

    def warns(self, alert: str, tables: Tables, as_of: datetime = NIGHT) -> bool:
        return bool(self.told(alert, tables, as_of))


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> Alerts:
    root = tmp_path_factory.mktemp("alerts")
    warehouse = Warehouse(root / "home", target=root / "target")
    warehouse.dbt("compile", "--select", *ALERTS, *COUNTED, writes_json=True)
    return Alerts(json.loads((warehouse.target / "manifest.json").read_text()))


# Volumes


def ledger(rows: dict[date, int], system: str = "study", stream: str = "events") -> Rows:
    return [
        {"system": system, "stream": stream, "extract_date": day, "rows_read": count} for day, count in rows.items()
    ]


def weeks(counts: Sequence[int | None]) -> dict[date, int]:
    """Rows by week before the day, the last one first; None where nothing came."""
    return {before(7 * n): count for n, count in enumerate(counts, start=1) if count is not None}


@pytest.mark.parametrize(
    ("today", "earlier", "warns"),
    [
        # Twice as many after adding 100: 400 to 200.
        (300, [100] * 4, False),
        (301, [100] * 4, True),
        # Half as many: 500 to 1,000.
        (400, [900] * 8, False),
        (399, [900] * 8, True),
        # Few rows swing as they like, but for none at all.
        (1, [99] * 8, False),
        (0, [9] * 8, False),
        (0, [10] * 8, True),
        (0, [10, 10, 10, 10, 10, 10, 10, 9], False),
        (1, [10] * 8, False),
        # An empty extract, also where there was one before, and where the weeks swing.
        (0, [1000] * 8, True),
        (0, [1000, 0, 1000, 1000], True),
        (0, [4000, 10, 1000, 200], True),
        # Three weeks say nothing; the ninth is too long ago.
        (0, [1000] * 3, False),
        (0, [1000] * 4, True),
        (0, [None] * 4 + [1000] * 4, True),
        (0, [None] * 5 + [1000] * 4, False),
        # The median, which a holiday and a flood do not move. Of an even number it is half-way: 800, and 900 to 450.
        (1000, [1000, 1000, 0, 9000, 1000], False),
        (400, [1000, 1000, 0, 9000, 1000], True),
        (350, [700, 700, 900, 900], False),
        (349, [700, 700, 900, 900], True),
        # Weeks that were .5 away (0, 0, .5, .5, 1, 1) let a date be 2 away: 3,000 to 1,000.
        (2900, [900, 900, 1400, 1400, 400, 400], False),
        (2901, [900, 900, 1400, 1400, 400, 400], True),
    ],
)
def test_rows_of_a_stream(alerts: Alerts, today: int, earlier: list[int | None], warns: bool) -> None:
    """Rows of a date, those of the weeks before from the last one backwards, and whether that is told."""
    assert alerts.warns("volume_alert", {"event_ledger": ledger({DAY: today, **weeks(earlier)})}) is warns


def test_what_is_told_of_a_volume(alerts: Alerts) -> None:
    assert alerts.told("volume_alert", {"event_ledger": ledger({DAY: 0, **weeks([900, 700, 900, 700, 900])})}) == [
        {
            "system": "study", "stream": "events", "extract_date": DAY, "row_count": 0, "usual_rows": 900.0, "weeks": 5,
            "fewest_rows": 700, "distance": 9.0, "usual_distance": 0.0,
        }
    ]  # fmt: skip


def test_other_weekdays_other_streams_and_what_comes_later_are_no_history(alerts: Alerts) -> None:
    """A hundred every Tuesday, ten thousand on all other days: each of its weekday is as it always was."""
    days = {before(n): 100 if n % 7 == 0 else 10_000 for n in range(57)}
    assert not alerts.warns("volume_alert", {"event_ledger": ledger(days)})
    assert alerts.warns("volume_alert", {"event_ledger": ledger(days | {before(1): 100})})  # a Monday like a Tuesday
    alone = (
        ledger({DAY: 1000}) + ledger(weeks([100] * 8), system="textbook") + ledger(weeks([100] * 8), stream="topics")
    )
    assert not alerts.warns("volume_alert", {"event_ledger": alone})
    later = {before(-7 * n): 50_000 for n in range(1, 9)}
    for today in (100, 1000):
        past = ledger({DAY: today, **weeks([100] * 8)})
        told = alerts.told("volume_alert", {"event_ledger": past})
        assert alerts.told("volume_alert", {"event_ledger": past + ledger(later)}) == told
        assert bool(told) is (today == 1000)


def test_a_volume_is_told_for_a_week(alerts: Alerts) -> None:
    tables = {"event_ledger": ledger({DAY: 0, **weeks([1000] * 8)})}
    assert not alerts.warns("volume_alert", tables, NIGHT - timedelta(days=1))
    assert alerts.warns("volume_alert", tables, NIGHT + timedelta(days=6))
    assert not alerts.warns("volume_alert", tables, NIGHT + timedelta(days=6, microseconds=1))


def test_what_never_changes_never_warns_and_a_short_history_says_nothing(alerts: Alerts) -> None:
    """Streams of a constant number of rows, whatever dates are missing; and streams of any, three dates a weekday."""
    dice = random.Random(7)
    rows: Rows = []
    for number in range(60):
        always = dice.choice([0, 1, 99, 100, 10_000, 10**12])
        rows += ledger({before(n): always for n in range(70) if dice.random() < 0.8}, stream=f"constant {number}")
        short = [n + 7 * week for n in range(7) for week in dice.sample(range(10), 4)]
        rows += ledger({before(n): dice.choice([0, 10, 10**9]) for n in short}, stream=f"short {number}")
    assert not alerts.warns("volume_alert", {"event_ledger": rows})


def test_rows_of_a_source(alerts: Alerts) -> None:
    """A source has no row on a date without it: `mobile` is missed. Nobody misses what is of no source."""

    def telemetry(source: str, rows: dict[date, int]) -> Rows:
        return [
            {"system": "assessment", "source": source, "extract_date": day, "rows_read": count}
            for day, count in rows.items()
        ]

    usual = weeks([10] * 4)
    whole = telemetry("web", {DAY: 10, **usual})
    tables = {"telemetry_quality_daily": whole + telemetry("mobile", usual) + telemetry("-", usual)}
    (told,) = alerts.told("source_volume_alert", tables)
    assert (told["source"], told["extract_date"], told["row_count"]) == ("mobile", DAY, 0)
    assert not alerts.warns("source_volume_alert", {"telemetry_quality_daily": whole})


# Events by type


def events(event_type: str, day: date, count: int, **columns: Any) -> Rows:
    row = {"stream": "events", "event_type": event_type, "extract_date": day, "copy_status": "kept", "event_id": "e"}
    return [row | columns] * count


def types(today: Rows, earlier: dict[str, int]) -> Tables:
    """Events of the study app of a day, and a number of each type on the same weekday of four weeks before."""
    dates = [DAY, *weeks([1] * 4)]
    past = [row for day in dates[1:] for kind, count in earlier.items() for row in events(kind, day, count)]
    return {"event_ledger": ledger(dict.fromkeys(dates, 1)), "base_study__events": today + past}


def test_events_of_a_type(alerts: Alerts) -> None:
    """A type that vanished, one that is new, and one that came as always; copies are no events."""
    as_always = events("question_submit", DAY, 20)
    usual = {"question_submit": 20}
    assert not alerts.warns("event_type_volume_alert", types(as_always + events("level_up", DAY, 100), usual))
    assert not alerts.warns("event_type_volume_alert", types(as_always, usual | {"level_up": 9}))
    copies = events("level_up", DAY, 200, copy_status="duplicate")
    told = alerts.told(
        "event_type_volume_alert", types(as_always + copies + events("quiz_start", DAY, 101), usual | {"level_up": 10})
    )
    found = {(row["event_type"], row["row_count"], row["usual_rows"]) for row in told}
    assert found == {("level_up", 0, 10.0), ("quiz_start", 101, 0.0)}
    assert {(row["system"], row["extract_date"]) for row in told} == {("study", DAY)}


def test_a_week_later_as_many_weeks_are_known(alerts: Alerts) -> None:
    """On the last date on which an alert stands, the eight weeks before its own date reach back furthest."""
    past = [day for day in weeks([1] * 8) if day <= before(35)]
    rows = [row for day in past for row in events("level_up", day, 10)] + events("quiz_start", DAY, 1)
    tables = {"event_ledger": ledger(dict.fromkeys([DAY, *past], 1)), "base_study__events": rows}
    told = alerts.told("event_type_volume_alert", tables, NIGHT + timedelta(days=6))
    assert [(row["event_type"], row["weeks"]) for row in told] == [("level_up", 4)]


# Rejections


def rejections(day: date, count: int, detail: str = "properties.rating: 9", first_line: int = 1) -> Rows:
    return [
        {
            "system": "study", "stream": "events", "extract_date": day, "source_file": "events.ndjson",
            "source_line": first_line + n, "batch_index": 0, "reason": "invalid_field", "detail": detail,
        }
        for n in range(count)
    ]  # fmt: skip


def loads(days: Sequence[date]) -> Rows:
    return [{"system": "study", "stream": "events", "extract_date": day} for day in days]


@pytest.mark.parametrize(
    ("today", "earlier", "dates", "warns"),
    [
        (9, 0, range(1, 8), False),
        (10, 0, range(1, 8), True),
        (10, 0, range(1, 7), False),  # six dates say nothing
        (10, 0, range(22, 29), True),
        (10, 0, range(23, 30), False),  # nor does what is 29 days ago
        (10, 1, range(1, 8), True),
        (19, 2, range(1, 8), False),
        (20, 2, range(1, 8), True),
    ],
)
def test_rejections_of_one_kind(alerts: Alerts, today: int, earlier: int, dates: range, warns: bool) -> None:
    """Lines of a date, and of each of some dates before it."""
    past = [row for n in dates for row in rejections(before(n), earlier)]
    tables = {
        "event_ledger": loads([DAY, *map(before, dates)]),
        "stg_operations__quarantine": rejections(DAY, today) + past,
    }
    assert alerts.warns("rejections_alert", tables) is warns


def test_what_is_told_of_rejections(alerts: Alerts) -> None:
    """Kinds are told apart, a batch counts once, and no value is shown: it was in the detail, behind the field."""
    week = [before(n) for n in range(8)]
    often = [row for day in week for row in rejections(day, 30, "user_id: Bobsecret", 100)]
    one_batch = [row | {"batch_index": n} for n, row in enumerate(rejections(DAY, 1, "seq: -1", 90) * 50)]
    tables = {
        "event_ledger": loads(week),
        "stg_operations__quarantine": often + one_batch + rejections(DAY, 10, "properties.rating: Bobsecret"),
    }
    assert alerts.told("rejections_alert", tables) == [
        {
            "system": "study", "stream": "events", "extract_date": DAY, "reason": "invalid_field",
            "field": "properties.rating", "lines_rejected": 10, "usual_lines_rejected": 0.0,
        }
    ]  # fmt: skip
    # What is said of a line that cannot be read tells where it breaks, each another place: one kind.
    malformed = [
        row | {"reason": "malformed", "detail": f"not valid JSON: at {n}"} for n, row in enumerate(rejections(DAY, 10))
    ]
    tables["stg_operations__quarantine"] = malformed
    assert [row["field"] for row in alerts.told("rejections_alert", tables)] == [""]


# Filled fields


@pytest.mark.parametrize(
    ("filled", "of", "earlier", "dates", "warns"),
    [
        (75, 100, 1.0, range(1, 8), False),
        (74, 100, 1.0, range(1, 8), True),
        (0, 50, 1.0, range(1, 8), True),
        (0, 49, 1.0, range(1, 8), False),  # of fewer than 50 a quarter is chance
        (25, 100, 0.5, range(1, 8), False),
        (24, 100, 0.5, range(1, 8), True),
        (100, 100, 0.0, range(1, 8), False),  # filled from now on
        (0, 100, 1.0, range(1, 7), False),
        (0, 100, 1.0, range(22, 29), True),
        (0, 100, 1.0, range(23, 30), False),
    ],
)
def test_a_field_that_is_filled_less(
    alerts: Alerts, filled: int, of: int, earlier: float, dates: range, warns: bool
) -> None:
    """Filled in so many events of a date, and in such a share of 40 on some dates before it."""
    rows = events("session_start", DAY, filled, device_type="web") + events("session_start", DAY, of - filled)
    for n in dates:
        rows += events("session_start", before(n), round(40 * earlier), device_type="web")
        rows += events("session_start", before(n), 40 - round(40 * earlier))
    told = alerts.told("filled_fields_alert", {"base_study__events": rows})
    assert {row["field"] for row in told} == ({"device_type"} if warns else set())


def test_a_type_that_never_had_the_field_does_not_lack_it(alerts: Alerts) -> None:
    rows = [row for n in range(8) for row in events("session_start", before(n), 50, device_type="web")]
    rows += [row for n in range(8) for row in events("session_pause", before(n), 50)]
    rows += events("session_start", DAY, 50, copy_status="duplicate")  # copies are no events
    assert not alerts.warns("filled_fields_alert", {"base_study__events": rows})


@pytest.mark.parametrize("table", ["base_textbook__events", "base_collaboration__events"])
def test_events_that_come_without_their_id(alerts: Alerts, table: str) -> None:
    """They have a hash for one, so that the column is filled all the same."""
    past = [row for n in range(1, 8) for row in events("any", before(n), 50, is_hashed=False)]
    kept = events("any", DAY, 50, is_hashed=False)
    assert not alerts.warns("filled_fields_alert", {table: past + kept})
    (told,) = alerts.told("filled_fields_alert", {table: past + events("any", DAY, 50, is_hashed=True)})
    assert (told["field"], told["filled_rate"], told["usual_filled_rate"]) == ("event_id", 0.0, 1.0)


# What the app reports


def test_attempts_as_the_app_numbers_them(alerts: Alerts) -> None:
    """One in a hundred may differ, and two may not; an attempt of which the app says nothing is none of the hundred."""

    def attempts(number: int, first: bool | None, count: int, day: date = DAY) -> Rows:
        return [
            {
                "date": day, "attempt_number": 1, "is_first_attempt": True,
                "reported_attempt_number": number, "reported_is_first_attempt": first,
            }
        ] * count  # fmt: skip

    well = attempts(1, True, 98)
    silent = well + attempts(1, True, 1) + attempts(2, True, 1) + attempts(2, False, 1, before(7))
    assert not alerts.warns("reported_attempts_drift", {"question_attempts": silent})
    told = alerts.told("reported_attempts_drift", {"question_attempts": well + attempts(2, False, 2)})
    assert {(row["date"], row["number"], row["attempts_reported"], row["attempts_that_differ"]) for row in told} == {
        (DAY, "attempt_number", 100, 2),
        (DAY, "is_first_attempt", 100, 2),
    }
    unsaid = attempts(1, None, 1000) + attempts(1, True, 9) + attempts(1, False, 1)
    told = alerts.told("reported_attempts_drift", {"question_attempts": unsaid})
    assert [(row["number"], row["attempts_that_differ"]) for row in told] == [("is_first_attempt", 1)]


def test_points_as_the_app_adds_them_up(alerts: Alerts) -> None:
    """A learner with 1,000 points before the first extract: 1,005, 1,015 and then 1,030 by 10 points, five too many.

    Another learner's points, and a reward that states no total, are no step between two.
    """

    def reward(user: str, minute: int, xp: int, total: int | None, day: date = DAY) -> dict[str, Any]:
        at = datetime.combine(day, datetime.min.time()) + timedelta(minutes=minute)
        return {
            "event_id": f"{user}{minute}", "event_type": "xp_earned", "event_ts": at, "event_date": day,
            "user_id": user, "xp_amount": xp, "new_total_xp": total,
        }  # fmt: skip

    well = [
        reward("a", 1, 5, 1005, before(7)), reward("b", 1, 7, 7), reward("a", 2, 10, 1015), reward("a", 3, 10, None),
        reward("a", 4, 10, 2000), reward("b", 9, 2**63 - 1, None),
    ]  # fmt: skip
    assert not alerts.warns("reported_xp_drift", {"stg_study__events": well})
    told = alerts.told("reported_xp_drift", {"stg_study__events": [*well, reward("a", 5, 10, 2015)]})
    assert told == [{"date": DAY, "rewards_reported": 2, "rewards_that_differ": 1}]
    assert not alerts.warns("reported_xp_drift", {"stg_study__events": [*well, reward("a", 5, 10, 2010)]})


# Rates, clocks and loads


def quality(day: date, **measures: float) -> dict[str, Any]:
    return {"system": "study", "source": "-", "extract_date": day, **measures}


@pytest.mark.parametrize(
    ("late_rate", "dates", "warns"),
    [
        (0.06, range(1, 8), False),
        (0.061, range(1, 8), True),
        (0.061, range(1, 7), False),
        (0.061, range(22, 29), True),
        (0.061, range(23, 30), False),
    ],
)
def test_late_rates(alerts: Alerts, late_rate: float, dates: range, warns: bool) -> None:
    """Usual is .05: a hundredth above it is usual too."""
    rows = [quality(DAY, late_rate=late_rate), *(quality(before(n), late_rate=0.05) for n in dates)]
    assert alerts.warns("late_rate_alert", {"telemetry_quality_daily": rows}) is warns


@pytest.mark.parametrize(("p50", "p95", "told"), [(-300, 300, set()), (-301, 0, {"ahead"}), (301, 301, {"skew"})])
def test_clocks_ahead_and_behind(alerts: Alerts, p50: float, p95: float, told: set[str]) -> None:
    """Of clocks ahead, by a year even, nobody was warned: the 95th percentile of the skew is below any limit then."""
    tables = {"telemetry_quality_daily": [quality(DAY, clock_skew_p50=p50, clock_skew_p95=p95)]}
    assert {kind for kind in ("ahead", "skew") if alerts.warns(f"clock_{kind}_alert", tables)} == told


def test_one_failed_load_in_a_hundred(alerts: Alerts) -> None:
    """Of the last 30 days before the newest load, that day to the instant left out."""

    def at(days: int) -> dict[str, Any]:
        return {"system": "study", "loaded_at": NIGHT - timedelta(days=days)}

    good = {"stg_operations__loads": [at(0)] * 99}
    assert not alerts.warns("failed_loads_alert", {**good, "stg_operations__failed_loads": [at(1)]})
    (told,) = alerts.told("failed_loads_alert", {**good, "stg_operations__failed_loads": [at(29)] * 2})
    assert (told["failed_loads"], told["all_failed_loads"], told["all_loads"]) == (2, 2, 101)
    assert not alerts.warns("failed_loads_alert", {**good, "stg_operations__failed_loads": [at(30)] * 50})
