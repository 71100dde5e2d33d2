"""Study sessions: how they end, their active time, which events belong."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.reference import Load
from tests.unit.reference.extract import (
    ANN,
    BEN,
    C1,
    C2,
    D1,
    D2,
    M1,
    M2,
    S1,
    S2,
    Extract,
    at,
    uid,
)

# --- sessions: how they end -----------------------------------------------------------------------------------------


def test_the_worked_example_of_the_specification(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("question_submit", "10:05:00")
    extract.study("session_pause", "10:06:00")
    extract.study("session_resume", "10:20:00")
    extract.study("question_submit", "11:00:00")
    extract.study("session_end", "11:01:00")
    row = extract.session()
    assert row["duration_seconds"] == 3660
    assert row["active_seconds"] == 420
    assert (row["end_reason"], row["is_active"], row["pause_count"]) == ("explicit", False, 1)
    assert (row["events"], row["events_after_end"], row["questions_attempted"]) == (6, 0, 2)


def test_a_learning_event_after_the_session_end_reopens_the_session(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00")
    extract.study("question_view", "10:15:00")
    row = extract.session()
    # 10:00-10:10 counts, the gap that starts at the session_end does not.
    assert (row["ended_at"], row["end_reason"]) == (at("10:15:00"), "timeout")
    assert (row["duration_seconds"], row["active_seconds"], row["events_after_end"]) == (900, 600, 0)


@pytest.mark.parametrize("number", [1, 9], ids=["id before the end's", "id after the end's"])
def test_a_learning_event_at_the_instant_of_the_session_end_does_not_follow_it(extract: Extract, number: int) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00", number=5)
    extract.study("question_view", "10:10:00", number=number)
    row = extract.session()
    assert (row["ended_at"], row["end_reason"], row["events_after_end"]) == (at("10:10:00"), "explicit", 0)
    assert row["active_seconds"] == 600


def test_what_is_no_learning_does_not_reopen_a_session(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00")
    extract.study("xp_earned", "10:11:00", xp_amount=5)
    extract.study("achievement_unlocked", "10:12:00", achievement_id="a")
    row = extract.session()
    assert (row["ended_at"], row["end_reason"], row["events_after_end"]) == (at("10:10:00"), "explicit", 2)
    assert (row["xp_earned"], row["achievements_unlocked"], row["active_seconds"]) == (5, 1, 600)


@pytest.mark.parametrize(
    ("end", "ended", "reason"),
    [("10:35:00", "10:35:00", "explicit"), ("10:35:00.000001", "10:05:00", "timeout")],
)
def test_a_session_end_after_more_than_the_inactivity_limit_is_not_believed(
    extract: Extract, end: str, ended: str, reason: str
) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("question_view", "10:05:00")
    extract.study("session_end", end, active_seconds=77)
    row = extract.session()
    assert (row["ended_at"], row["end_reason"]) == (at(ended), reason)
    assert row["active_seconds"] == (2100 if reason == "explicit" else 300)
    assert row["events_after_end"] == (0 if reason == "explicit" else 1)
    assert row["reported_active_seconds"] == 77  # kept beside, whatever it is worth


def test_events_after_a_late_session_end_are_the_last_ones(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "11:00:00")
    extract.study("xp_earned", "11:00:30", xp_amount=1)
    row = extract.session()
    assert (row["ended_at"], row["end_reason"]) == (at("11:00:30"), "timeout")
    assert (row["duration_seconds"], row["active_seconds"]) == (3630, 0)


def test_every_session_end_that_came_too_late_is_set_aside(extract: Extract) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("session_end", "11:00:00")
    extract.study("session_end", "12:00:00")
    row = extract.session()
    assert (row["ended_at"], row["end_reason"], row["events_after_end"]) == (at("10:00:00"), "timeout", 2)


def test_the_last_of_several_session_ends_counts(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:05:00", duration_seconds=300)
    extract.study("question_view", "10:10:00")
    extract.study("session_end", "10:12:00", duration_seconds=720.1234565, xp_earned=3)
    row = extract.session()
    assert (row["ended_at"], row["end_reason"], row["duration_seconds"]) == (at("10:12:00"), "explicit", 720)
    assert row["active_seconds"] == 300 + 120  # not the five minutes that start at the first end
    assert row["reported_duration_seconds"] == Decimal("720.123457")
    assert (row["reported_xp_earned"], row["reported_active_seconds"]) == (3, None)


def test_a_session_of_one_session_end(extract: Extract) -> None:
    extract.study("session_end", "10:00:00")
    row = extract.session()
    assert (row["started_at"], row["ended_at"], row["end_reason"]) == (at("10:00:00"), at("10:00:00"), "explicit")
    assert (row["duration_seconds"], row["active_seconds"]) == (0, 0)


@pytest.mark.parametrize(
    ("last", "reason"),
    [("23:29:59.999999", "timeout"), ("23:30:00", "active"), ("23:50:00", "active"), (f"{D2}T20:00:00Z", "active")],
)
def test_a_session_times_out_when_as_of_is_more_than_the_limit_after_it(
    extract: Extract, last: str, reason: str
) -> None:
    """Also for an event that lies after as-of: contracts allow 24 hours of future."""
    extract.study("question_view", last)
    row = extract.session()
    assert row["end_reason"] == reason
    assert row["is_active"] == (reason == "active")
    assert (row["ended_at"] is None, row["duration_seconds"] is None) == (reason == "active",) * 2


def test_an_explicit_end_after_as_of_counts_at_once(extract: Extract) -> None:
    extract.study("question_view", "23:50:00")
    extract.study("session_end", f"{D2}T00:10:00Z")
    assert extract.session()["end_reason"] == "explicit"


def test_an_active_session_counts_what_it_has_so_far(extract: Extract) -> None:
    extract.study("session_start", "23:30:00")
    extract.study("question_view", "23:40:00")
    extract.study("session_end", "23:45:00")
    extract.study("question_view", "23:55:00")
    row = extract.session()
    assert (row["end_reason"], row["active_seconds"], row["events_after_end"]) == ("active", 600 + 300, 0)


def test_as_of_is_the_end_of_the_newest_loaded_date_even_of_an_empty_one(extract: Extract) -> None:
    extract.study("question_view", "23:50:00")
    assert extract.session()["end_reason"] == "active"
    extract.loads.add(Load("assessment", "events", D2))
    assert extract.session()["end_reason"] == "timeout"


# --- sessions: active time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gap_end", "active"), [("10:30:00", 1800), ("10:30:00.000001", 0)])
def test_a_gap_of_exactly_the_limit_counts(extract: Extract, gap_end: str, active: int) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("question_view", gap_end)
    assert extract.session()["active_seconds"] == active


@pytest.mark.parametrize("closing", ["session_resume", "session_start", "session_end", "question_view", "xp_earned"])
def test_what_closes_a_pause(extract: Extract, closing: str) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_pause", "10:01:00")
    extract.study(closing, "10:05:00", **({"xp_amount": 1} if closing == "xp_earned" else {}))
    extract.study("question_view", "10:07:00")
    # 60 s before the pause; the 120 s after the closing event, unless that is an end (its gap never counts) or xp,
    # which closes no pause.
    expected = 60 if closing in ("session_end", "xp_earned") else 180
    assert extract.session()["active_seconds"] == expected


def test_a_gap_that_starts_at_the_end_does_not_count_whoever_comes_last_in_that_instant(extract: Extract) -> None:
    """A learning event at the instant of the end does not reopen the session; nor does its gap count."""
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00", number=5)
    extract.study("question_view", "10:10:00", number=9)
    extract.study("xp_earned", "10:12:00", xp_amount=1)
    row = extract.session()
    assert (row["end_reason"], row["active_seconds"], row["events_after_end"]) == ("explicit", 600, 1)


def test_a_second_pause_within_a_pause_is_counted_but_changes_nothing(extract: Extract) -> None:
    extract.study("session_pause", "10:00:00")
    extract.study("session_pause", "10:05:00")
    extract.study("session_resume", "10:06:00")
    extract.study("question_view", "10:08:00")
    row = extract.session()
    assert (row["pause_count"], row["active_seconds"]) == (2, 120)


@pytest.mark.parametrize(("pause", "active"), [(5, 0), (1, 300)], ids=["pause last", "pause first"])
def test_the_event_id_breaks_a_tie_between_pause_and_learning(extract: Extract, pause: int, active: int) -> None:
    extract.study("session_pause", "10:00:00", number=pause)
    extract.study("question_view", "10:00:00", number=3)
    extract.study("question_view", "10:05:00", number=9)
    assert extract.session()["active_seconds"] == active


def test_active_seconds_across_midnight_are_shared_out(extract: Extract) -> None:
    extract.study("question_view", "23:50:00")
    extract.study("question_view", f"{D2}T00:10:00.5Z")
    assert extract.session()["active_seconds"] == Decimal("1200.5")
    days = {row["date"]: row for row in extract.marts()["daily_user_stats"]}
    assert (days[D1]["active_seconds"], days[D2]["active_seconds"]) == (600, Decimal("600.5"))
    assert (days[D1]["sessions_started"], days[D2]["sessions_started"]) == (1, 0)


def test_active_time_goes_to_the_sessions_user_also_on_a_day_without_an_event_of_theirs(extract: Extract) -> None:
    extract.study("question_view", "23:55:00", user=ANN)
    extract.study("question_submit", f"{D2}T00:05:00Z", user=BEN)
    session = extract.session()
    assert (session["user_id"], session["questions_attempted"], session["events"]) == (ANN, 1, 2)
    second = extract.one("daily_user_stats", user_id=ANN, date=D2)
    assert (second["active_seconds"], second["questions_attempted"], second["is_active_day"]) == (300, 0, False)
    assert (second["streak_days"], second["accuracy"], second["sessions_started"]) == (0, None, 0)
    other = extract.one("daily_user_stats", user_id=BEN, date=D2)
    assert (other["active_seconds"], other["questions_attempted"], other["sessions_started"]) == (0, 1, 0)


def test_a_gap_that_ends_at_midnight_leaves_nothing_on_the_next_day(extract: Extract) -> None:
    extract.study("question_view", "23:55:00", user=ANN)
    extract.study("question_view", f"{D2}T00:00:00Z", user=BEN)
    marts = extract.marts()["daily_user_stats"]
    assert {(row["user_id"], row["date"], row["active_seconds"]) for row in marts} == {(ANN, D1, 300), (BEN, D2, 0)}


# --- sessions: which events belong, and what is beside --------------------------------------------------------------


def test_derived_sessions_split_after_more_than_the_limit(extract: Extract) -> None:
    first = extract.study("question_view", "10:00:00", session=None)
    extract.study("question_view", "10:30:00", session=None)
    third = extract.study("question_view", "11:00:00.000001", session=None)
    rows = {row["session_id"]: row for row in extract.marts()["study_sessions"]}
    assert rows.keys() == {f"derived-{first}", f"derived-{third}"}
    assert all(row["is_derived"] for row in rows.values())
    assert (rows[f"derived-{first}"]["events"], rows[f"derived-{first}"]["active_seconds"]) == (2, 1800)


def test_events_of_a_stated_session_do_not_bridge_a_derived_one(extract: Extract) -> None:
    extract.study("question_view", "10:00:00", session=None)
    extract.study("question_view", "10:20:00", session=S1)
    extract.study("question_view", "10:40:00", session=None)
    assert [row["events"] for row in extract.marts()["study_sessions"]] == [1, 1, 1]


def test_derived_sessions_are_per_user_and_named_by_the_first_event_in_order(extract: Extract) -> None:
    late_id = extract.study("xp_earned", "10:00:00", session=None, number=9, xp_amount=1)
    early_id = extract.study("question_view", "10:00:00", session=None, number=3)
    other = extract.study("question_view", "10:00:00", session=None, user=BEN, number=4)
    ids = {row["session_id"] for row in extract.marts()["study_sessions"]}
    assert ids == {f"derived-{early_id}", f"derived-{other}"}
    assert f"derived-{late_id}" not in ids


def test_streak_events_belong_to_no_session_but_make_a_day(extract: Extract) -> None:
    extract.study("streak_continued", "09:00:00", session=S1)
    extract.study("streak_broken", "09:00:00", session=None)
    marts = extract.marts()
    assert marts["study_sessions"] == []
    (day,) = marts["daily_user_stats"]
    assert (day["date"], day["is_active_day"], day["streak_days"], day["sessions_started"]) == (D1, False, 0, 0)


@pytest.mark.parametrize(("second", "overlaps"), [("10:10:00", False), ("10:09:59", True)])
def test_sessions_overlap_when_they_share_more_than_a_point(extract: Extract, second: str, overlaps: bool) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00")
    extract.study("session_start", second, session=S2)
    extract.study("session_end", "10:20:00", session=S2)
    extract.study("session_start", "10:00:00", session=uid(13), user=BEN)
    extract.study("session_end", "10:20:00", session=uid(13), user=BEN)
    rows = {row["session_id"]: row["overlaps_other_session"] for row in extract.marts()["study_sessions"]}
    assert rows == {S1: overlaps, S2: overlaps, uid(13): False}


def test_a_session_of_one_instant_overlaps_nothing(extract: Extract) -> None:
    extract.study("session_start", "10:00:00")
    extract.study("session_end", "10:10:00")
    extract.study("question_view", "10:05:00", session=S2)
    assert not any(row["overlaps_other_session"] for row in extract.marts()["study_sessions"])


def test_an_active_session_overlaps_up_to_its_last_event(extract: Extract) -> None:
    extract.study("question_view", "23:40:00")
    extract.study("question_view", "23:50:00")
    extract.study("session_start", "23:45:00", session=S2)
    extract.study("session_end", "23:55:00", session=S2)
    rows = {row["session_id"]: row for row in extract.marts()["study_sessions"]}
    assert rows[S1]["is_active"]
    assert (rows[S1]["overlaps_other_session"], rows[S2]["overlaps_other_session"]) == (True, True)


def test_device_and_timezone_come_from_the_first_start_that_states_them(extract: Extract) -> None:
    extract.study("session_start", "10:00:00", device_type=None)
    extract.study("session_start", "10:01:00", device_type="mobile")
    extract.study("session_start", "10:02:00", device_type="web", timezone="Europe/Berlin")
    row = extract.session()
    assert (row["device_type"], row["timezone"]) == ("mobile", "Europe/Berlin")


def test_materials_of_a_session(extract: Extract) -> None:
    extract.study("material_open", "10:00:00", material_id=M1)
    extract.study("material_read", "10:01:00", material_id=M1, chunk_id=C1, time_spent_seconds=1.0000005)
    extract.study(
        "material_read", "10:02:00", material_id=M1, chunk_id=C1, time_spent_seconds=2, scroll_depth_percent=89
    )
    extract.study("material_read", "10:03:00", material_id=M1, time_spent_seconds=3, is_complete=True)
    extract.study(
        "material_read", "10:04:00", material_id=M2, chunk_id=C2, time_spent_seconds=0, scroll_depth_percent=89.9999995
    )
    extract.study("material_bookmark", "10:05:00", material_id=uid(43))
    marts = extract.marts()
    (session,) = marts["study_sessions"]
    assert (session["materials_viewed"], session["materials_completed"], session["chunks_read"]) == (2, 1, 2)
    first, second, third = marts["material_interactions"]
    # 1.0000005 is rounded half away from zero before it is summed.
    assert (first["duration_seconds"], first["scroll_depth_percent"]) == (Decimal("6.000001"), 89)
    assert (first["chunks_read"], first["is_complete"], first["bookmarked"]) == (1, False, False)
    assert (first["started_at"], first["ended_at"]) == (at("10:00:00"), at("10:03:00"))
    # 89.9999995 is stored as 90.
    assert (second["scroll_depth_percent"], second["is_complete"]) == (90, True)
    assert (third["bookmarked"], third["scroll_depth_percent"], third["duration_seconds"]) == (True, None, 0)
