from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from ingestion.contract import load_contracts
from ingestion.extracts import Extract, ExtractFile
from orchestration.partitions import DateRange
from orchestration.planning import (
    Attempt,
    LoadRun,
    Loads,
    Outlook,
    arrivals,
    decide_transformation,
    due_date,
    figures_of,
    lake_version,
    load_runs,
    ranges,
    read_sightings,
    runs_of_the_night,
    within,
    write_sightings,
)

D = date(2026, 3, 10)
NIGHT = datetime(2026, 3, 11, 2, 0)


def day(offset: int) -> date:
    return D + timedelta(days=offset)


STREAMS = [stream for contract in load_contracts().values() for stream in contract.streams]


def named(run: LoadRun) -> set[str]:
    return {f"{stream.system}/{stream.name}" for stream in run.streams}


def night(landing: list[Extract], pending: list[Extract], loads: Loads) -> list[tuple[DateRange, set[str]]]:
    runs = runs_of_the_night(Outlook(landing, pending, loads), pending, STREAMS, due_date(loads, NIGHT))
    return [(run.dates, named(run)) for run in runs]


def extract(extract_date: date, stream: str = "events", size: int = 10, missing: bool = False) -> Extract:
    name = f"{stream}.ndjson"
    path = Path("/landing/study") / str(extract_date) / name
    return Extract("study", stream, extract_date, (ExtractFile(path, name, size, 1, missing),))


class TestRanges:
    def test_hold_the_dates_and_no_other(self) -> None:
        assert ranges([day(3), day(0), day(1)]) == [DateRange(day(0), day(1)), DateRange(day(3), day(3))]

    def test_no_dates_no_ranges(self) -> None:
        assert ranges([]) == []


class TestLoadRuns:
    def test_streams_of_the_same_dates_share_a_run(self) -> None:
        places = {("study", "events", day(n)) for n in range(3)} | {("assessment", "events", day(n)) for n in range(3)}
        (run,) = load_runs(places, STREAMS)
        assert run.dates == DateRange(day(0), day(2))
        assert named(run) == {"study/events", "assessment/events"}

    def test_no_run_takes_a_stream_on_a_date_that_it_has_no_extract_of(self) -> None:
        """A run that fails counts everything that it was to load and did not as failed."""
        places = {("study", "events", day(0)), ("study", "events", day(1)), ("study", "topics", day(1))}
        runs = load_runs(places, STREAMS)
        assert [(run.dates, named(run)) for run in runs] == [
            (DateRange(day(0), day(1)), {"study/events"}),
            (DateRange(day(1), day(1)), {"study/topics"}),
        ]


class TestTheDateThatIsDue:
    def test_yesterday_where_nights_are_loaded_as_they_come(self) -> None:
        loads = {("study", "events", day(-1)): datetime(2026, 3, 10, 2, 5)}
        assert due_date(loads, NIGHT) == D

    def test_before_the_hour_of_the_night_nobody_waits(self) -> None:
        loads = {("study", "events", day(-1)): datetime(2026, 3, 10, 2, 5)}
        assert due_date(loads, datetime(2026, 3, 11, 1, 59)) == day(-1)

    def test_nothing_in_a_warehouse_of_past_dates(self) -> None:
        loads = {("study", "events", day(-300)): datetime(2026, 3, 10, 2, 5)}
        assert due_date(loads, NIGHT) is None

    def test_a_date_of_the_future_is_a_mistake_from_which_nothing_follows(self) -> None:
        """A folder that was dated a year ahead made a warehouse of past dates wait for every day."""
        ahead = {("study", "events", day(300)): datetime(2026, 3, 10, 2, 5)}
        past = {("study", "events", day(-300)): datetime(2026, 3, 10, 2, 5)}
        live = {("study", "events", day(-1)): datetime(2026, 3, 10, 2, 5)}
        assert due_date(ahead, NIGHT) is None
        assert due_date(ahead | past, NIGHT) is None
        assert due_date(ahead | live, NIGHT) == D

    def test_nothing_in_an_empty_warehouse(self) -> None:
        assert due_date({}, NIGHT) is None

    def test_it_stays_due_however_long_the_feed_is_silent(self) -> None:
        loads = {("study", "events", day(-40)): datetime.combine(day(-39), datetime.min.time())}
        assert due_date(loads, NIGHT) == D


class TestTheNight:
    def test_takes_what_is_new_passed_over_dates_included(self) -> None:
        pending = [extract(day(-2)), extract(day(0))]
        assert night(pending, pending, {}) == [
            (DateRange(day(-2), day(-2)), {"study/events"}),
            (DateRange(D, D), {"study/events"}),
        ]

    def test_takes_the_due_date_so_that_its_absence_is_noticed(self) -> None:
        loads = {("study", "events", day(-1)): datetime(2026, 3, 10, 2, 5)}
        assert night([], [], loads) == [(DateRange(D, D), {"study/events"})]

    def test_takes_what_is_due_of_one_stream_though_the_others_came(self) -> None:
        loads = {
            ("study", "events", D): datetime(2026, 3, 11, 1, 0),
            ("assessment", "events", day(-1)): datetime(2026, 3, 10, 2, 5),
        }
        assert night([], [], loads) == [(DateRange(D, D), {"assessment/events"})]

    def test_notices_a_stream_of_the_same_system_that_did_not_come(self) -> None:
        """In a run of its own, so that it does not fail with what came."""
        session = replace(extract(D, "test_sessions"), system="assessment")
        loads = {("assessment", "events", day(-100)): NIGHT}
        assert night([session], [session], loads) == [
            (DateRange(D, D), {"assessment/test_sessions"}),
            (DateRange(D, D), {"assessment/events"}),
        ]

    def test_waits_for_no_snapshot(self) -> None:
        loads = {("study", "topics", day(-1)): NIGHT}
        assert night([extract(D)], [extract(D)], loads) == [(DateRange(D, D), {"study/events"})]

    def test_takes_nothing_where_all_is_loaded(self) -> None:
        loads = {("study", "events", D): datetime(2026, 3, 11, 1, 0)}
        assert night([extract(D)], [], loads) == []

    def test_leaves_a_date_that_no_run_can_take_yet(self) -> None:
        assert within([extract(day(0)), extract(day(2))], DateRange(day(-9), D)) == [extract(D)]


class TestArrivals:
    def test_a_file_is_taken_when_it_lies_unchanged(self) -> None:
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        assert (first.extracts, first.waiting) == ([], 1)
        grown = arrivals([extract(D, size=20)], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert grown.extracts == []
        settled = arrivals([extract(D, size=20)], frozenset(), grown.sightings, NIGHT + timedelta(minutes=6))
        assert settled.extracts == [extract(D, size=20)]

    def test_a_manifest_that_names_the_files_shortens_the_wait(self) -> None:
        complete = frozenset([extract(D)])
        first = arrivals([extract(D)], complete, {}, NIGHT)
        assert arrivals([extract(D)], complete, first.sightings, NIGHT + timedelta(seconds=30)).extracts == [extract(D)]

    def test_a_file_that_the_manifest_names_is_waited_for(self) -> None:
        first = arrivals([extract(D, missing=True)], frozenset(), {}, NIGHT)
        later = arrivals([extract(D, missing=True)], frozenset(), first.sightings, NIGHT + timedelta(hours=5))
        assert (later.extracts, later.waiting) == ([], 1)

    def test_a_date_waits_for_all_its_streams(self) -> None:
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        both = arrivals([extract(D), extract(D, "topics")], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert both.extracts == []

    def test_what_was_asked_for_is_not_asked_for_again(self) -> None:
        """An extract that cannot be read stays new; without this it would start a failing run every half minute."""
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        asked = arrivals([extract(D)], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert asked.extracts
        again = arrivals([extract(D)], frozenset(), asked.sightings, NIGHT + timedelta(minutes=6))
        assert (again.extracts, again.waiting) == ([], 0)
        repaired = arrivals([extract(D, size=9)], frozenset(), again.sightings, NIGHT + timedelta(minutes=9))
        later = arrivals([extract(D, size=9)], frozenset(), repaired.sightings, NIGHT + timedelta(minutes=12))
        assert later.extracts == [extract(D, size=9)]

    def test_sightings_survive_the_cursor(self) -> None:
        seen = arrivals([extract(D)], frozenset(), {}, NIGHT).sightings
        assert read_sightings(write_sightings(seen)) == seen
        assert read_sightings(None) == {}


class TestTheTransformation:
    LAKE = {("study", "events", D): NIGHT}  # noqa: RUF012
    NOW = NIGHT + timedelta(hours=1)
    TRIED = Attempt(is_transformation=True, created=NIGHT + timedelta(minutes=1), is_finished=True)

    def test_follows_a_load(self) -> None:
        assert decide_transformation(self.LAKE, {}, [], False, self.NOW).reason is None

    def test_follows_a_date_loaded_again(self) -> None:
        published = {("study", "events", D): NIGHT - timedelta(days=1)}
        assert decide_transformation(self.LAKE, published, [], False, self.NOW).reason is None

    def test_rests_when_the_published_marts_carry_every_load(self) -> None:
        assert decide_transformation(self.LAKE, self.LAKE, [], False, self.NOW).reason

    def test_follows_a_fit(self) -> None:
        measured = {"model_version": "a", "split": "held_out", "method": "mastery", "evaluated_on": D, "attempts": 9}
        measured |= {"auc": 0.75, "log_loss": 0.5, "ece": 0.01}
        before = {**self.LAKE, **figures_of([{**measured, "is_champion": False}])}
        promoted = {**self.LAKE, **figures_of([{**measured, "is_champion": True}])}
        assert decide_transformation(promoted, promoted, [], False, self.NOW).reason
        assert decide_transformation(promoted, before, [], False, self.NOW).reason is None
        assert decide_transformation(before, self.LAKE, [], False, self.NOW).reason is None
        corrected = {**self.LAKE, **figures_of([{**measured, "is_champion": False, "auc": 0.8}])}
        assert decide_transformation(corrected, before, [], False, self.NOW).reason is None
        assert len({lake_version(lake) for lake in (self.LAKE, before, promoted)}) == 3

    def test_waits_for_a_writer_and_for_a_run_that_is_about_to_start(self) -> None:
        assert decide_transformation(self.LAKE, {}, [], True, self.NOW).reason
        starting = Attempt(is_transformation=False, created=self.NOW - timedelta(seconds=5), is_finished=False)
        assert decide_transformation(self.LAKE, {}, [starting], False, self.NOW).reason

    def test_follows_one_whose_process_was_killed(self) -> None:
        """Dagster counts the run of a killed process as started for hours."""
        killed = replace(self.TRIED, is_finished=False)
        decision = decide_transformation(self.LAKE, {}, [killed], False, self.NOW)
        assert (decision.reason, decision.attempt) == (None, 2)

    def test_what_failed_by_its_own_account_is_tried_again_the_next_day(self) -> None:
        assert decide_transformation(self.LAKE, {}, [self.TRIED], False, self.NOW).reason
        assert decide_transformation(self.LAKE, {}, [self.TRIED], False, self.NOW + timedelta(days=1)).reason is None

    def test_the_version_tells_lakes_apart(self) -> None:
        later = {("study", "events", D): NIGHT + timedelta(seconds=1)}
        assert lake_version(self.LAKE) == lake_version(dict(self.LAKE)) != lake_version(later)
