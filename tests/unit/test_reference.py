"""The reference implementation against examples worked out by hand from the specification.

It checks the SQL on random histories; these tests are what makes it worth believing.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.reference import COLUMNS, KEYS, Load, Row, assert_same, build, compare
from tests.reference.histories import TIME_FIELDS, History, Name, file_bytes, history, limit
from tests.reference.reading import timestamp

D1, D2, D3, D4 = (date(2026, 3, day) for day in (2, 3, 4, 5))


def uid(number: int) -> str:
    """A UUID that sorts as its number does."""
    return f"abcdef00-0000-4000-8000-{number:012d}"


ANN, BEN = uid(1), uid(2)
S1, S2 = uid(11), uid(12)
Q1, Q2, Q3 = uid(21), uid(22), uid(23)
T1, T2, T3 = uid(31), uid(32), uid(33)
M1, M2 = uid(41), uid(42)
C1, C2 = uid(51), uid(52)


def at(text: str, day: date = D1) -> datetime:
    return datetime.combine(day, datetime.strptime(text, "%H:%M:%S.%f" if "." in text else "%H:%M:%S").time())


def instant(when: str) -> str:
    """`10:00:00` on the first day, or a whole timestamp."""
    return when if "-" in when else f"{D1}T{when}Z"


class Extract:
    """Rows of one or more extracts, written down one by one."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.loads: set[Load] = set()
        self.numbers = iter(range(1001, 9999))

    def add(self, system: str, stream: str, payload: dict[str, Any], day: date, file: str, reject: str | None) -> None:
        self.loads.add(Load(system, stream, day))
        events = payload.get("events", [None]) if stream == "batches" else [None]
        for index in range(len(events)):
            line = 1 + len(self.rows)
            self.rows.append(Row(system, stream, day, file, line, index, payload, reject))

    def study(
        self,
        event_type: str,
        when: str,
        session: str | None = S1,
        user: str = ANN,
        number: int | None = None,
        day: date = D1,
        file: str = "events.ndjson",
        reject: str | None = None,
        **fields: Any,
    ) -> str:
        """Add a study event; `number` is its id, where the order of ids matters."""
        references = {
            name: fields.pop(name) for name in list(fields) if name in ("material_id", "chunk_id", "topic_id")
        }
        if event_type in ("question_submit", "question_view", "ai_hint_requested", "ai_explanation_requested"):
            references["question_id"] = fields.pop("question_id", Q1)
            references.setdefault("topic_id", T1)
        if event_type.startswith("material_"):
            references.setdefault("material_id", M1)
            references.setdefault("topic_id", T1)
        if event_type == "question_submit":
            fields.setdefault("is_correct", True)
        event_id = uid(number if number is not None else next(self.numbers))
        payload = {
            "event_id": event_id,
            "event_type": event_type,
            "event_ts": instant(when),
            "user_id": user,
            "session_id": session,
            **references,
            "properties": fields,
        }
        self.add("study", "events", payload, day, file, reject)
        return event_id

    def owned(
        self, session: str = S1, user: str = ANN, questions: tuple[str, ...] = (Q1, Q2), day: date = D1, **fields: Any
    ) -> None:
        """Add the reference rows of a test session."""
        self.add(
            "assessment",
            "test_sessions",
            {"session_id": session, "user_id": user, **fields},
            day,
            "test_sessions.ndjson",
            None,
        )
        for question in questions:
            self.add(
                "assessment",
                "session_questions",
                {"session_id": session, "question_id": question},
                day,
                "session_questions.ndjson",
                None,
            )

    def test(self, event_type: str, when: str, day: date = D1, number: int | None = None, **fields: Any) -> str:
        """Add an assessment event."""
        event_id = uid(number if number is not None else next(self.numbers))
        payload = {
            "id": event_id,
            "event_type": event_type,
            "event_ts": instant(when),
            "session_id": S1,
            "user_id": ANN,
            "payload_json": {"state": fields.pop("state")} if "state" in fields else None,
            **fields,
        }
        self.add("assessment", "events", payload, day, "events.ndjson", None)
        return event_id

    def marts(self, as_of: str | None = None) -> dict[str, list[dict[str, Any]]]:
        return build(self.rows, self.loads, timestamp(as_of) if as_of else None)

    def one(self, mart: str, as_of: str | None = None, **key: Any) -> dict[str, Any]:
        """The only row of a mart with these values."""
        rows = [row for row in self.marts(as_of)[mart] if all(row[name] == value for name, value in key.items())]
        assert len(rows) == 1, rows
        return rows[0]

    def session(self, as_of: str | None = None, session_id: str = S1) -> dict[str, Any]:
        return self.one("study_sessions", as_of, session_id=session_id)


@pytest.fixture
def extract() -> Extract:
    return Extract()


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


# --- attempts -------------------------------------------------------------------------------------------------------


def test_attempts_are_numbered_over_sessions_in_time_order(extract: Extract) -> None:
    extract.study("question_submit", f"{D2}T22:00:00Z", session=None, day=D2, number=101, is_correct=False)
    extract.study("question_submit", "10:00:00", session=S1, day=D3, number=102, attempt_number=5)
    extract.study("question_submit", "10:00:00", session=S2, number=103, user=BEN)
    first = extract.one("question_attempts", attempt_id=uid(102))
    second = extract.one("question_attempts", attempt_id=uid(101))
    assert (first["attempt_number"], first["is_first_attempt"], first["days_since_last_attempt"]) == (1, True, None)
    assert (first["reported_attempt_number"], first["reported_is_first_attempt"]) == (5, None)
    assert (second["attempt_number"], second["days_since_last_attempt"]) == (2, Decimal("1.5"))
    assert second["session_id"] == f"derived-{uid(101)}"
    assert extract.one("question_attempts", attempt_id=uid(103))["attempt_number"] == 1


def test_attempts_at_one_instant_are_ordered_by_id(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=9)
    extract.study("question_submit", "10:00:00", number=8)
    assert extract.one("question_attempts", attempt_id=uid(8))["attempt_number"] == 1
    assert extract.one("question_attempts", attempt_id=uid(9))["days_since_last_attempt"] == 0


def test_a_hint_counts_for_the_next_attempt_in_its_session(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", number=100)
    extract.study("question_submit", "10:01:00", number=101)
    extract.study("question_submit", "10:02:00", number=102)
    extract.study("ai_hint_requested", "10:03:00", number=103, session=S2)
    extract.study("question_submit", "10:04:00", number=104)
    extract.study("ai_hint_requested", "10:05:00", number=105, user=BEN)
    extract.study("ai_hint_requested", "10:05:00", number=106, question_id=Q2)
    extract.study("question_submit", "10:06:00", number=107)
    extract.study("question_submit", "10:07:00", number=108, hint_used=True)
    extract.study("ai_hint_requested", "10:08:00", number=110)
    extract.study("question_submit", "10:08:00", number=109, hint_used=False)  # the hint follows by its id
    extract.study("question_submit", "10:09:00", number=111, hint_used=False)
    hints = {row["attempt_id"]: row["hint_used"] for row in extract.marts()["question_attempts"]}
    used = {number for number in (101, 102, 104, 107, 108, 109, 111) if hints[uid(number)]}
    assert used == {101, 108, 111}


def test_an_attempt_elsewhere_ends_the_reach_of_a_hint_and_of_an_explanation(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", session=S1)
    extract.study("question_submit", "10:01:00", session=S2, number=101)
    extract.study("question_submit", "10:02:00", session=S1, number=102)
    extract.study("question_submit", "10:03:00", session=S2, number=103)
    extract.study("ai_explanation_requested", "10:04:00", session=S1)
    rows = {row["attempt_id"]: row for row in extract.marts()["question_attempts"]}
    assert not any(row["hint_used"] or row["explanation_viewed"] for row in rows.values())


def test_an_explanation_counts_for_the_attempt_before_it(extract: Extract) -> None:
    extract.study("ai_explanation_requested", "10:00:00")
    extract.study("question_submit", "10:01:00", number=101)
    extract.study("ai_explanation_requested", "10:02:00")
    extract.study("question_submit", "10:03:00", number=102)
    rows = {row["attempt_id"]: row["explanation_viewed"] for row in extract.marts()["question_attempts"]}
    assert rows == {uid(101): True, uid(102): False}


def test_hints_without_a_session_count_within_the_derived_session(extract: Extract) -> None:
    extract.study("ai_hint_requested", "10:00:00", session=None)
    extract.study("question_submit", "10:30:00", session=None, number=101)
    extract.study("ai_hint_requested", "10:40:00", session=None)
    extract.study("question_submit", "11:10:00.000001", session=None, number=102)
    rows = {row["attempt_id"]: row["hint_used"] for row in extract.marts()["question_attempts"]}
    assert rows == {uid(101): True, uid(102): False}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("B", "B"),
        ("x" * 64, "x" * 64),
        ("x" * 65, hashlib.sha256(b"x" * 65).hexdigest()),
        (3, "3"),
        (True, "true"),
        ([1, 2], hashlib.sha256(b"[1,2]").hexdigest()),
        (None, None),
    ],
)
def test_answers(extract: Extract, answer: Any, text: str | None) -> None:
    extract.study("question_submit", "10:00:00", selected_answer=answer)
    (row,) = extract.marts()["question_attempts"]
    assert row["selected_answer"] == text


# --- days and topics ------------------------------------------------------------------------------------------------


def test_streaks_run_over_active_days_and_end_at_inactive_ones(extract: Extract) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("question_view", f"{D2}T23:59:59.999999Z")
    extract.study("xp_earned", f"{D3}T10:00:00Z", day=D3, xp_amount=1)
    extract.study("question_view", f"{D4}T00:00:00Z", day=D3)
    days = {row["date"]: (row["is_active_day"], row["streak_days"]) for row in extract.marts()["daily_user_stats"]}
    assert days == {D1: (True, 1), D2: (True, 2), D3: (False, 0), D4: (True, 1)}


def test_a_late_event_joins_two_streaks(extract: Extract) -> None:
    extract.study("question_view", "10:00:00")
    extract.study("question_view", f"{D3}T10:00:00Z", day=D3)
    assert extract.one("daily_user_stats", date=D3)["streak_days"] == 1
    extract.study("question_view", f"{D2}T10:00:00Z", day=D4)
    assert extract.one("daily_user_stats", date=D3)["streak_days"] == 3


def test_daily_counts(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", topic_id=T1)
    extract.study("question_submit", "10:01:00", topic_id=T2, is_correct=False)
    extract.study("question_submit", "10:02:00", topic_id=T2, question_id=Q2, is_correct=False)
    extract.study("ai_question_asked", "10:03:00", detected_topics=[T3])
    extract.study("xp_earned", "10:04:00", topic_id=T3, xp_amount=7)
    extract.study("quiz_complete", "10:05:00", quiz_id="q")
    extract.study("ai_hint_requested", "10:06:00")
    (row,) = extract.marts()["daily_user_stats"]
    assert (row["questions_attempted"], row["questions_correct"], row["first_attempts"]) == (3, 1, 2)
    assert row["accuracy"] == Decimal("0.333333333")
    # Neither a detected topic nor the topic of an event that is no learning is studied.
    assert (row["topics_studied"], row["ai_interactions"], row["quizzes_completed"]) == (2, 1, 1)
    assert (row["xp_earned"], row["hints_requested"], row["searches"]) == (7, 1, 0)


def test_an_ai_question_is_an_event_on_each_distinct_topic(extract: Extract) -> None:
    extract.study("ai_question_asked", "10:00:00", topic_id=T1, detected_topics=[T2, T1, T2.upper()], user=BEN)
    extract.study("question_submit", "10:00:00", topic_id=T1, time_to_answer_seconds=1)
    extract.study("question_submit", "10:01:00", topic_id=T1, time_to_answer_seconds=2, is_correct=False)
    extract.study("question_submit", "10:01:00", topic_id=T1, question_id=Q2)
    rows = {row["topic_id"]: row for row in extract.marts()["topic_daily_stats"]}
    assert rows.keys() == {T1, T2}
    assert (rows[T1]["ai_questions"], rows[T1]["users"], rows[T2]["ai_questions"], rows[T2]["users"]) == (1, 2, 1, 1)
    assert (rows[T1]["questions_attempted"], rows[T1]["accuracy"]) == (3, Decimal("0.666666667"))
    assert (rows[T1]["first_attempt_accuracy"], rows[T1]["median_time_to_answer_seconds"]) == (1, Decimal("1.5"))
    assert (rows[T1]["hint_rate"], rows[T2]["hint_rate"], rows[T2]["accuracy"]) == (0, None, None)


def test_an_event_without_learning_makes_a_topic_day_too(extract: Extract) -> None:
    extract.study("streak_continued", "10:00:00", topic_id=T1)
    (row,) = extract.marts()["topic_daily_stats"]
    assert (row["topic_id"], row["users"], row["questions_attempted"]) == (T1, 1, 0)


# --- test sessions --------------------------------------------------------------------------------------------------


def test_a_session_of_the_reference_stream_without_events(extract: Extract) -> None:
    extract.owned(created_at=instant("10:00:00"))
    row = extract.one("test_sessions")
    assert (row["status"], row["created_at"], row["questions_in_session"]) == ("in_progress", at("10:00:00"), 2)
    assert (row["completion_rate"], row["missing_seq"], row["clock_skew_seconds"]) == (0, 0, None)
    assert (row["duration_seconds"], row["blur_seconds"]) == (None, 0)


def test_a_session_without_questions_has_no_completion_rate(extract: Extract) -> None:
    extract.owned(questions=())
    row = extract.one("test_sessions", as_of="2030-01-01T00:00:00Z")
    assert (row["completion_rate"], row["created_at"], row["status"]) == (None, None, "in_progress")


@pytest.mark.parametrize(
    ("as_of", "status"), [("2026-03-09T11:59:59.999999Z", "in_progress"), ("2026-03-09T12:00:00Z", "abandoned")]
)
def test_a_session_is_abandoned_168_hours_after_its_last_event(extract: Extract, as_of: str, status: str) -> None:
    extract.owned(created_at=instant("10:00:00"))
    extract.test("NAVIGATE_NEXT", "12:00:00")
    assert extract.one("test_sessions", as_of)["status"] == status


def test_the_later_of_last_event_and_creation_starts_the_clock(extract: Extract) -> None:
    extract.owned(created_at=instant(f"{D3}T12:00:00Z"))
    extract.test("NAVIGATE_NEXT", "12:00:00")
    assert extract.one("test_sessions", "2026-03-09T12:00:00Z")["status"] == "in_progress"


def test_the_earlier_of_submission_and_expiry_decides(extract: Extract) -> None:
    extract.owned(created_at=instant("09:00:00"))
    extract.test("SESSION_CREATED", "10:00:00")
    extract.test("SESSION_EXPIRED", "11:00:00", number=8)
    extract.test("SESSION_SUBMITTED", "11:00:00", number=9)
    extract.test("SESSION_SUBMITTED", "12:00:00")
    extract.test("REVIEW_OPENED", "13:00:00")
    row = extract.one("test_sessions")
    assert (row["status"], row["duration_seconds"], row["created_at"]) == ("expired", 3600, at("10:00:00"))
    assert (row["submitted_at"], row["expired_at"]) == (at("11:00:00"), at("11:00:00"))
    assert row["reviewed_at"] == at("13:00:00")


def test_counts_of_a_test_session(extract: Extract) -> None:
    extract.owned(questions=(Q1, Q2, Q3))
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1, seq=3)
    extract.test("QUESTION_VIEWED", "10:01:00", question_id=Q1, seq=5)
    extract.test("ANSWER_SELECTED", "10:02:00", question_id=Q1, seq=5)
    extract.test("ANSWER_CHANGED", "10:03:00", question_id=Q1, seq=9)
    extract.test("ANSWER_CHANGED", "10:04:00", question_id=Q2)
    for when in ("10:05:00", "10:06:00", "10:07:00"):
        extract.test("MARK_FOR_REVIEW_TOGGLED", when, question_id=Q1)
    for when in ("10:05:00", "10:06:00"):
        extract.test("MARK_FOR_REVIEW_TOGGLED", when, question_id=Q2)
    row = extract.one("test_sessions")
    assert (row["questions_viewed"], row["questions_answered"], row["answers_changed"]) == (1, 2, 2)
    assert (row["marked_for_review"], row["completion_rate"]) == (1, Decimal("0.666666667"))
    assert row["missing_seq"] == 4  # of 3 to 9 there are 3, 5 and 9


def test_blur_runs_to_the_next_focus_and_a_second_blur_only_counts(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="focus")
    extract.test("PAUSE_BLUR", "10:01:00", state="blur")
    extract.test("PAUSE_BLUR", "10:02:00", state="blur")
    extract.test("PAUSE_BLUR", "10:03:00", state="focus")
    extract.test("PAUSE_BLUR", "10:10:00", state="blur")
    extract.test("SESSION_SUBMITTED", "10:11:30")
    extract.test("REVIEW_OPENED", "10:30:00")
    row = extract.one("test_sessions")
    assert (row["blur_count"], row["blur_seconds"]) == (3, 120 + 90)


def test_blur_without_focus_or_end_runs_to_the_last_event(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="blur")
    extract.test("NAVIGATE_NEXT", "10:00:07.5")
    assert extract.one("test_sessions")["blur_seconds"] == Decimal("7.5")


def test_blur_after_the_end_that_no_focus_ends_lasts_no_time(extract: Extract) -> None:
    extract.owned()
    extract.test("SESSION_SUBMITTED", "09:00:00")
    extract.test("PAUSE_BLUR", "10:00:00", state="blur")
    extract.test("NAVIGATE_NEXT", "10:00:07.5")
    row = extract.one("test_sessions")
    assert (row["blur_count"], row["blur_seconds"]) == (1, 0)


def test_seq_breaks_ties_before_the_id_and_events_without_it_come_last(extract: Extract) -> None:
    extract.owned()
    extract.test("PAUSE_BLUR", "10:00:00", state="focus", number=1)  # no seq: after the blur
    extract.test("PAUSE_BLUR", "10:00:00", state="blur", number=2, seq=7)
    extract.test("NAVIGATE_NEXT", "10:00:09", number=3)
    assert extract.one("test_sessions")["blur_seconds"] == 0
    extract.test("PAUSE_BLUR", "10:00:00", state="focus", number=4, seq=6)
    assert extract.one("test_sessions")["blur_seconds"] == 0
    extract.test("PAUSE_BLUR", "10:00:00", state="blur", number=5)  # after the focus of id 1
    assert extract.one("test_sessions")["blur_seconds"] == 9


def test_clock_skew_is_the_interpolated_median(extract: Extract) -> None:
    extract.owned()
    extract.test("NAVIGATE_NEXT", "10:00:00", client_ts=instant("09:59:58"))
    extract.test("NAVIGATE_NEXT", "10:00:00", client_ts=instant("10:00:00.000001"))
    extract.test("NAVIGATE_NEXT", "10:00:00")
    assert extract.one("test_sessions")["clock_skew_seconds"] == Decimal("0.9999995")


def test_a_batch_takes_its_server_time_from_its_reception(extract: Extract) -> None:
    extract.owned()
    events = [
        {
            "event_type": "QUESTION_VIEWED",
            "client_ts": instant("09:00:00"),
            "seq": 1,
            "session_id": S1,
            "question_id": Q1,
        },
        {
            "event_type": "PAUSE_BLUR",
            "client_ts": instant("09:01:00"),
            "seq": 2,
            "session_id": S1,
            "payload": {"state": "blur"},
        },
        {"event_type": "SESSION_SUBMITTED", "client_ts": instant("09:02:30"), "seq": 3, "session_id": S1},
    ]
    batch = {"source": "web", "user_id": ANN, "received_at": instant("10:00:00"), "events": events}
    extract.add("assessment", "batches", batch, D1, "batches.ndjson", None)
    again = {**batch, "received_at": instant("10:05:00"), "events": list(reversed(events))}
    extract.add("assessment", "batches", again, D2, "batches.ndjson", None)
    row = extract.one("test_sessions")
    assert (row["submitted_at"], row["blur_seconds"]) == (at("10:00:00"), 90)
    assert row["clock_skew_seconds"] == 3450  # 57 min 30 s for each of them
    ledger = {entry["extract_date"]: entry for entry in extract.marts()["event_ledger"] if entry["stream"] == "batches"}
    assert (ledger[D1]["rows_accepted"], ledger[D2]["rows_duplicate"], ledger[D2]["rows_late"]) == (3, 3, 0)


# --- verdicts and the ledger ----------------------------------------------------------------------------------------


def test_duplicates_and_conflicts_are_told_apart_by_content(extract: Extract) -> None:
    extract.study("question_attempt", "10:00:00", number=1, day=D2, question_id=Q1, topic_id=T1, is_correct=True, x=5)
    # The alias, a null member, another spelling of the instant and of a number: the same content.
    extract.study("question_submit", f"{D1} 12:00:00.0000009+02:00", number=1, day=D1, x=5.0, y=None)
    extract.study("question_submit", "10:00:00", number=1, day=D3, x=6)
    extract.study("question_submit", "10:00:00", number=1, day=D1, file="a.ndjson", reject="invalid_field")
    extract.rows[0].payload["question_id"] = extract.rows[0].payload["properties"].pop("question_id")
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"]}
    assert (rows[D1]["rows_read"], rows[D1]["rows_accepted"], rows[D1]["rejected_invalid_field"]) == (2, 1, 1)
    assert (rows[D2]["rows_duplicate"], rows[D3]["rows_conflict"], rows[D3]["rows_rejected"]) == (1, 1, 0)


def test_the_first_copy_is_found_by_date_file_and_line(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=1, file="events-9.ndjson", is_correct=True)
    extract.study("question_submit", "10:00:00", number=1, file="events-10.ndjson", is_correct=False)
    marts = extract.marts()
    assert [row["is_correct"] for row in marts["question_attempts"]] == [False]
    assert marts["event_ledger"][0]["rows_conflict"] == 1


def test_held_events_are_judged_by_the_reference_rows_now_loaded(extract: Extract) -> None:
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q1)
    extract.test("QUESTION_VIEWED", "10:00:00", question_id=Q3)
    extract.test("NAVIGATE_NEXT", "10:01:00", user_id=BEN, question_id=Q3)

    def ledger() -> dict[str, Any]:
        return extract.one("event_ledger", stream="events")

    assert (ledger()["rejected_unknown_session"], ledger()["rows_rejected"]) == (3, 3)
    extract.owned(day=D3)
    row = ledger()
    assert (row["rejected_unknown_session"], row["rows_accepted"], row["rejected_question_not_in_session"]) == (0, 1, 1)
    assert row["rejected_session_not_owned"] == 1
    # Another owner, in a file that comes first: the earlier reference row stays, the other is a conflict.
    extract.owned(user=BEN, day=D2, questions=())
    assert ledger()["rejected_session_not_owned"] == 2
    assert extract.one("event_ledger", stream="test_sessions", extract_date=D3)["rows_conflict"] == 1


def test_copies_are_settled_before_the_copy_that_stays_is_judged(extract: Extract) -> None:
    extract.owned()
    extract.test("NAVIGATE_NEXT", "10:00:00", number=1, user_id=BEN)
    extract.test("NAVIGATE_NEXT", "10:00:00", number=1, user_id=ANN, day=D2)
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"] if row["stream"] == "events"}
    assert (rows[D1]["rejected_session_not_owned"], rows[D2]["rows_conflict"], rows[D2]["rows_accepted"]) == (1, 1, 0)


def test_late_rows_and_empty_extracts(extract: Extract) -> None:
    extract.study("question_view", "23:59:59.999999", day=D2)
    extract.study("question_view", f"{D2}T00:00:00Z", day=D2)
    extract.loads.add(Load("study", "events", D3))
    rows = {row["extract_date"]: row for row in extract.marts()["event_ledger"]}
    assert (rows[D2]["rows_accepted"], rows[D2]["rows_late"], rows[D3]["rows_read"]) == (2, 1, 0)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-03-02T10:00:00Z", datetime(2026, 3, 2, 10)),
        ("2026-03-02t10:00:00.1234569+02:00", datetime(2026, 3, 2, 8, 0, 0, 123456)),
        ("2026-03-02 23:30:00.5-00:45", datetime(2026, 3, 3, 0, 15, 0, 500000)),
    ],
)
def test_timestamps(text: str, value: datetime) -> None:
    assert timestamp(text) == value


# --- comparing ------------------------------------------------------------------------------------------------------


def test_compare_names_mart_key_and_column(extract: Extract) -> None:
    extract.study("question_submit", "10:00:00", number=1)
    extract.study("question_submit", "10:01:00", number=2, is_correct=False)
    expected = extract.marts()["daily_user_stats"]
    got = [dict(expected[0])]
    assert compare("daily_user_stats", expected, got) == []
    got[0]["accuracy"] = 0.5 + 1e-10
    assert compare("daily_user_stats", expected, got) == []
    got[0] |= {"accuracy": 0.51, "active_seconds": Decimal("60.000001"), "is_active_day": 1}
    differences = "\n".join(compare("daily_user_stats", expected, got))
    assert f"daily_user_stats [user_id={ANN}, date=2026-03-02] accuracy: expected" in differences
    assert "active_seconds: expected Decimal('60.000000'), got Decimal('60.000001')" in differences
    assert "is_active_day" in differences
    with pytest.raises(AssertionError, match="night 3: daily_user_stats differs in 1 places"):
        assert_same("daily_user_stats", expected, [], context="night 3")


def test_compare_finds_extra_double_and_misnamed() -> None:
    rows = [{"session_id": "s", "n": 1}]
    assert "more than once" in compare("some_mart", rows, rows * 2, key=["session_id"])[0]
    assert "should not be there" in compare("some_mart", [], rows, key=["session_id"])[-1]
    assert any("column n is missing" in text for text in compare("m", rows, [{"session_id": "s"}], key=["session_id"]))


def test_compare_knows_no_time_zone_but_utc_and_no_nan() -> None:
    moment = datetime(2026, 3, 2, 10)
    rows = [{"session_id": "s", "at": moment, "accuracy": None}]
    assert compare("m", rows, [{**rows[0], "at": moment.replace(tzinfo=UTC)}], key=["session_id"]) == []
    assert compare("m", rows, [{**rows[0], "at": moment.date()}], key=["session_id"])
    assert compare("m", rows, [{**rows[0], "accuracy": float("nan")}], key=["session_id"])


# --- histories ------------------------------------------------------------------------------------------------------


def test_a_history_is_the_same_for_the_same_seed() -> None:
    first, second = ([(night.files, night.story) for night in history(5, 4)] for _ in range(2))
    assert first == second
    assert [night.files for night in history(6, 4)] != [files for files, _ in first]


def test_what_is_written_is_what_the_reference_reads(tmp_path: Path) -> None:
    """Night after night, the files in landing hold exactly the rows that the reference is given."""
    for night in history(7, 8):
        before = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.ndjson")}
        night.write(tmp_path)
        after = {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in tmp_path.rglob("*.ndjson")}
        assert {path for path in after if before.get(path) != after[path]} == {tmp_path / n.path for n in night.changed}
        assert after.keys() == {tmp_path / name.path for name in night.files}
        rows = {(row.system, row.extract_date, row.source_file, row.source_line): row for row in night.rows()}
        seen = 0
        for name in night.files:
            for number, text in enumerate((tmp_path / name.path).read_bytes().splitlines(), start=1):
                if not text.strip():
                    continue
                place = (name.system, name.extract_date, name.name, number)
                if place not in rows:
                    assert json.loads(text)["events"] == []
                elif rows[place].reject != "malformed":
                    assert json.loads(text, parse_float=Decimal) == rows[place].payload
                    seen += 1
        assert seen > 0


def test_no_date_loses_its_last_file_and_times_are_within_bounds() -> None:
    for seed in range(15):
        loads: set[Load] = set()
        for night in history(seed, 10, snapshots=True):
            assert loads <= set(night.loads())
            loads = set(night.loads())
        for row in night.rows():
            if row.reject is None and row.stream in ("events", "batches"):
                moment = row.payload["received_at" if row.stream == "batches" else TIME_FIELDS[row.system]]
                assert datetime(2000, 1, 1) <= timestamp(moment) <= limit(row.extract_date)


def test_histories_meet_every_case() -> None:
    """A generator that never makes a case proves nothing about it."""
    met: set[str] = set()
    for seed in range(25):
        for night in history(seed, 10, snapshots=True):
            met |= {text.split(" ")[0] for text in night.story}
        marts = build(night.rows(), night.loads())
        for row in marts["event_ledger"]:
            met |= {name for name, value in row.items() if name.startswith(("rows_", "rejected_")) and value}
            met |= {"empty extract"} if not row["rows_read"] else set()
        for row in marts["study_sessions"]:
            met |= {row["end_reason"], "derived" if row["is_derived"] else "stated"}
            met |= {name for name in ("overlaps_other_session", "events_after_end", "pause_count") if row[name]}
        for row in marts["test_sessions"]:
            met |= {row["status"]} | {name for name in ("blur_seconds", "missing_seq") if row[name]}
        for row in marts["question_attempts"]:
            met |= {name for name in ("hint_used", "explanation_viewed") if row[name]}
    wanted = {name for name in COLUMNS["event_ledger"] if name.startswith(("rows_", "rejected_"))}
    wanted -= {"rows_erased", "rejected_payload_too_large"}
    wanted |= {"write", "correct", "repeat", "remove", "touch", "empty", "empty extract"}
    wanted |= {"explicit", "timeout", "active", "derived", "stated", "overlaps_other_session", "events_after_end"}
    wanted |= {"pause_count", "submitted", "expired", "abandoned", "in_progress", "blur_seconds", "missing_seq"}
    wanted |= {"hint_used", "explanation_viewed"}
    assert wanted <= met, wanted - met


def test_marts_reconcile_on_random_histories() -> None:
    """What invariants 2, 3 and 9 promise holds for the reference itself."""
    for seed in range(10):
        world = history(seed, 6)
        for _night in world:
            pass
        rows, loads = world.rows(), world.loads()
        marts = build(rows, loads)
        attempts = len(marts["question_attempts"])
        for mart in ("study_sessions", "daily_user_stats", "topic_daily_stats"):
            assert sum(row["questions_attempted"] for row in marts[mart]) == attempts
        by_session = sum(row["active_seconds"] for row in marts["study_sessions"])
        assert by_session == sum(row["active_seconds"] for row in marts["daily_user_stats"])
        for mart, table in build(list(reversed(rows)), loads).items():
            assert_same(mart, marts[mart], table)
            assert len({tuple(row[name] for name in KEYS[mart]) for row in table}) == len(table)


def test_the_api_of_a_history() -> None:
    world = history(1, nights=3)
    assert isinstance(world, History)
    assert world.rows() == []
    night = next(iter(world))
    assert world.rows() == night.rows()
    assert file_bytes(()) == b""
    assert Name("study", D1, "events-late.ndjson").stream == "events"
    assert timedelta(0) <= limit(D1) - at("00:00:00", D3) <= timedelta(0)
