from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from ingestion.extracts import Extract, ExtractFile
from orchestration.partitions import DateRange
from orchestration.planning import (
    Attempt,
    Outlook,
    arrivals,
    dates_of_the_night,
    decide_transformation,
    delivered_streams,
    due_date,
    lake_version,
    ranges,
    read_sightings,
    undisturbed,
    write_sightings,
)

D = date(2026, 3, 10)
NIGHT = datetime(2026, 3, 11, 2, 0)


def day(offset: int) -> date:
    return D + timedelta(days=offset)


def extract(extract_date: date, stream: str = "events", size: int = 10, missing: bool = False) -> Extract:
    name = f"{stream}.ndjson"
    path = Path("/landing/study") / str(extract_date) / name
    return Extract("study", stream, extract_date, (ExtractFile(path, name, size, 1, missing),))


class TestRanges:
    def test_one_run_takes_dates_with_small_gaps(self) -> None:
        assert ranges([day(3), day(0), day(1)]) == [DateRange(day(0), day(3))]

    def test_a_correction_of_an_old_date_is_a_run_of_its_own(self) -> None:
        assert ranges([day(-300), day(0)]) == [DateRange(day(-300), day(-300)), DateRange(day(0), day(0))]

    def test_no_dates_no_runs(self) -> None:
        assert ranges([]) == []

    def test_what_still_arrives_is_left_out(self) -> None:
        assert undisturbed([day(0), day(1), day(3)], [day(2)]) == [DateRange(day(0), day(1)), DateRange(day(3), day(3))]


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

    def test_nothing_in_an_empty_warehouse(self) -> None:
        assert due_date({}, NIGHT) is None

    def test_it_stays_due_however_long_the_feed_is_silent(self) -> None:
        loads = {("study", "events", day(-40)): datetime.combine(day(-39), datetime.min.time())}
        assert due_date(loads, NIGHT) == D


class TestTheNight:
    def test_takes_new_dates_missed_ones_included(self) -> None:
        pending = [extract(day(-2)), extract(day(0))]
        assert dates_of_the_night(Outlook(pending, pending, {}), D, NIGHT) == [DateRange(day(-2), day(0))]

    def test_takes_the_due_date_so_that_its_absence_is_noticed(self) -> None:
        loads = {("study", "events", day(-1)): datetime(2026, 3, 10, 2, 5)}
        assert dates_of_the_night(Outlook([], [], loads), D, NIGHT) == [DateRange(D, D)]

    def test_takes_nothing_where_all_is_loaded(self) -> None:
        loads = {("study", "events", D): datetime(2026, 3, 11, 1, 0)}
        assert dates_of_the_night(Outlook([extract(D)], [], loads), D, NIGHT) == []

    def test_leaves_a_date_that_no_run_can_take_yet(self) -> None:
        pending = [extract(day(0)), extract(day(2))]
        assert dates_of_the_night(Outlook(pending, pending, {}), D, NIGHT) == [DateRange(D, D)]

    def test_takes_the_streams_that_were_ever_delivered(self) -> None:
        from ingestion.contract import load_contracts

        streams = [stream for contract in load_contracts().values() for stream in contract.streams]
        loads = {("assessment", "events", day(-5)): NIGHT}
        found = delivered_streams(Outlook([extract(D)], [], loads), streams)
        assert {(stream.system, stream.name) for stream in found} == {("study", "events"), ("assessment", "events")}


class TestArrivals:
    def test_a_file_is_taken_when_it_lies_unchanged(self) -> None:
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        assert (first.dates, first.waiting) == ([], 1)
        grown = arrivals([extract(D, size=20)], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert grown.dates == []
        settled = arrivals([extract(D, size=20)], frozenset(), grown.sightings, NIGHT + timedelta(minutes=6))
        assert settled.dates == [DateRange(D, D)]

    def test_a_manifest_that_names_the_files_shortens_the_wait(self) -> None:
        complete = frozenset([extract(D)])
        first = arrivals([extract(D)], complete, {}, NIGHT)
        assert arrivals([extract(D)], complete, first.sightings, NIGHT + timedelta(seconds=30)).dates == [
            DateRange(D, D)
        ]

    def test_a_file_that_the_manifest_names_is_waited_for(self) -> None:
        first = arrivals([extract(D, missing=True)], frozenset(), {}, NIGHT)
        later = arrivals([extract(D, missing=True)], frozenset(), first.sightings, NIGHT + timedelta(hours=5))
        assert (later.dates, later.waiting) == ([], 1)

    def test_a_date_waits_for_all_its_streams(self) -> None:
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        both = arrivals([extract(D), extract(D, "topics")], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert both.dates == []

    def test_what_was_asked_for_is_not_asked_for_again(self) -> None:
        """An extract that cannot be read stays new; without this it would start a failing run every half minute."""
        first = arrivals([extract(D)], frozenset(), {}, NIGHT)
        asked = arrivals([extract(D)], frozenset(), first.sightings, NIGHT + timedelta(minutes=3))
        assert asked.dates
        again = arrivals([extract(D)], frozenset(), asked.sightings, NIGHT + timedelta(minutes=6))
        assert (again.dates, again.waiting) == ([], 0)
        repaired = arrivals([extract(D, size=9)], frozenset(), again.sightings, NIGHT + timedelta(minutes=9))
        later = arrivals([extract(D, size=9)], frozenset(), repaired.sightings, NIGHT + timedelta(minutes=12))
        assert later.dates == [DateRange(D, D)]

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
