"""Funnels: attempts, their scopes, what is counted by date, and the funnel of recommendations."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.reference.marts import SHIPPED, Funnel
from tests.unit.reference.extract import ANN, D1, D2, D3, Q1, S1, Extract, at


def attempts(extract: Extract, funnel: str, as_of: str | None = None) -> list[dict[str, Any]]:
    return [row for row in extract.marts(as_of)["funnel_attempts"] if row["funnel"] == funnel]


def step(extract: Extract, funnel: str, number: int, day: date = D1) -> dict[str, Any]:
    return extract.one("funnel_daily", funnel=funnel, date=day, step=number)


def test_the_worked_example_of_the_specification(extract: Extract) -> None:
    """Three attempts: 10:00 is overtaken at 10:01, 10:01 completes 29 minutes = 1,740 s later, 09:00 is still open."""
    first = extract.recommend("tap", "10:00:00")
    extract.recommend("tap", "10:01:00")
    extract.recommend("start", "10:02:00")
    extract.recommend("complete", "10:30:00")
    extract.recommend("tap", f"{D2}T09:00:00Z", day=D2)
    rows = attempts(extract, "recommendation")
    assert [(row["attempt"], row["outcome"], row["steps_reached"]) for row in rows] == [
        (1, "dropped", 1),
        (2, "completed", 3),
        (3, "open", 1),
    ]
    assert [row["seconds_to_complete"] for row in rows] == [None, 1740, None]
    assert (rows[0]["opened_event_id"], rows[0]["entity"]) == (first, "kid|rec")
    assert (rows[1]["step_2_at"], rows[1]["step_3_at"]) == (at("10:02:00"), at("10:30:00"))
    assert [row["outcome"] for row in attempts(extract, "recommendation", f"{D3}T09:00:00Z")][2] == "open"
    assert [row["outcome"] for row in attempts(extract, "recommendation", f"{D3}T09:00:00.000001Z")][2] == "dropped"

    # The first day: 2 attempts of 1 entity, of which 1 goes on, from 10:01:00 to 10:02:00 and 10:30:00.
    first_step, second, third = (step(extract, "recommendation", number) for number in (1, 2, 3))
    assert (first_step["events"], first_step["attempts"], first_step["entities"]) == (2, 2, 1)
    assert (first_step["conversion_from_previous"], first_step["median_seconds_from_previous"]) == (None, None)
    assert (first_step["conversion_from_first"], first_step["entity_conversion_from_first"]) == (1, 1)
    assert (second["attempts"], second["conversion_from_previous"]) == (1, Decimal("0.5"))
    assert (second["median_seconds_from_previous"], third["median_seconds_from_previous"]) == (60, 1680)
    assert (third["conversion_from_previous"], third["conversion_from_first"]) == (1, Decimal("0.5"))
    assert (third["entities"], third["entity_conversion_from_first"], third["event_type"]) == (1, 1, "complete")
    assert step(extract, "recommendation", 3, D2)["conversion_from_previous"] is None  # 0 of 0


def test_a_step_repeated_counts_at_its_earliest_and_all_its_events_count(extract: Extract) -> None:
    extract.recommend("tap", "10:00:00")
    extract.recommend("start", "10:01:00")
    extract.recommend("start", "10:02:00")
    extract.recommend("complete", "10:03:00")
    (row,) = attempts(extract, "recommendation")
    assert row["step_2_at"] == at("10:01:00")
    assert (step(extract, "recommendation", 2)["events"], step(extract, "recommendation", 2)["attempts"]) == (2, 1)


def test_a_later_step_before_the_earlier_one_does_not_count_but_events_in_between_do_not_matter(
    extract: Extract,
) -> None:
    extract.recommend("tap", "10:00:00")
    extract.recommend("complete", "10:01:00")
    extract.recommend("start", "10:02:00")
    extract.recommend("impression", "10:03:00")
    (row,) = attempts(extract, "recommendation")
    assert (row["steps_reached"], row["step_2_at"], row["step_3_at"]) == (2, at("10:02:00"), None)
    assert step(extract, "recommendation", 3)["events"] == 1
    extract.recommend("complete", "10:04:00")
    assert attempts(extract, "recommendation")[0]["step_3_at"] == at("10:04:00")


def test_all_steps_at_one_instant_are_in_order_whatever_their_keys_and_orders(extract: Extract) -> None:
    extract.recommend("complete", "10:00:00", key="a", event_order=1)
    extract.recommend("start", "10:00:00", key="b", event_order=2)
    extract.recommend("tap", "10:00:00", key="c")
    (row,) = attempts(extract, "recommendation")
    assert (row["outcome"], row["seconds_to_complete"]) == ("completed", 0)


@pytest.mark.parametrize(("when", "reached"), [("10:00:00", 2), ("10:00:00.000001", 1)])
def test_the_end_of_the_window_is_in_it(extract: Extract, when: str, reached: int) -> None:
    """The window of `recommendation` is 24 hours, both ends included; beyond it an event is in no scope."""
    extract.recommend("tap", "10:00:00")
    extract.recommend("start", f"{D2}T{when}Z")
    extract.recommend("tap", f"{D2}T23:00:00Z", child="other")  # makes a row of that date
    assert attempts(extract, "recommendation")[0]["steps_reached"] == reached
    assert step(extract, "recommendation", 2, D1)["events"] == reached - 1
    assert step(extract, "recommendation", 2, D2)["unattributed_events"] == 2 - reached


def test_the_next_first_step_takes_what_happens_at_its_instant(extract: Extract) -> None:
    extract.recommend("tap", "10:00:00")
    extract.recommend("start", "10:05:00", key="a")
    extract.recommend("tap", "10:05:00", key="b")
    first, second = attempts(extract, "recommendation")
    assert (first["steps_reached"], first["outcome"]) == (1, "dropped")
    assert (second["steps_reached"], second["step_2_at"]) == (2, at("10:05:00"))


def test_of_two_first_steps_at_one_instant_the_first_has_an_empty_scope(extract: Extract) -> None:
    """Both taps are in the scope of the attempt numbered second; the order says who that is, its absence the last."""
    extract.recommend("tap", "10:00:00", key="a")
    extract.recommend("tap", "10:00:00", key="b", event_order=1)
    extract.recommend("start", "10:00:00", key="c")
    first, second = attempts(extract, "recommendation")
    assert (first["opened_event_id"], second["opened_event_id"]) == ("b", "a")
    assert (first["step_1_at"], first["steps_reached"], first["outcome"]) == (at("10:00:00"), 1, "dropped")
    assert (second["steps_reached"], second["outcome"]) == (2, "open")
    assert (step(extract, "recommendation", 1)["events"], step(extract, "recommendation", 1)["attempts"]) == (2, 2)
    assert step(extract, "recommendation", 1)["unattributed_events"] == 0


def test_a_first_step_that_comes_late_moves_numbers_but_not_who_opened(extract: Extract) -> None:
    """What the attempt of 10:10 has done is not touched; the late one begins earlier and is overtaken."""
    extract.recommend("tap", "10:10:00", key="known")
    extract.recommend("start", "10:20:00")
    (before,) = attempts(extract, "recommendation", f"{D2}T00:00:00Z")
    extract.recommend("tap", "10:00:00", key="late", day=D3)
    late, after = attempts(extract, "recommendation", f"{D2}T00:00:00Z")
    assert after == {**before, "attempt": 2}
    assert (late["attempt"], late["opened_event_id"], late["outcome"]) == (1, "late", "dropped")
    # One that comes between the tap and the start takes the start away.
    extract.recommend("tap", "10:15:00", key="between", day=D3)
    rows = attempts(extract, "recommendation", f"{D2}T00:00:00Z")
    assert [row["steps_reached"] for row in rows] == [1, 1, 2]


@pytest.mark.parametrize(
    ("abandoned_at", "reached", "outcome"),
    [
        ("10:00:00", 1, "abandoned"),  # at the instant of the opening
        ("10:01:00", 2, "abandoned"),  # at the instant of the start: the step counts
        ("10:01:59.999999", 2, "abandoned"),
        ("10:02:00", 3, "completed"),  # at the instant of completion
        ("10:03:00", 3, "completed"),
    ],
)
def test_an_exclusion_ends_the_attempt_and_the_steps_of_its_instant_count(
    extract: Extract, abandoned_at: str, reached: int, outcome: str
) -> None:
    extract.recommend("tap", "10:00:00")
    extract.recommend("start", "10:01:00")
    extract.recommend("complete", "10:02:00")
    extract.recommend("abandon", abandoned_at, key="0")
    (row,) = attempts(extract, "recommendation")
    assert (row["steps_reached"], row["outcome"]) == (reached, outcome)


def test_an_exclusion_before_the_opening_or_beyond_the_window_excludes_nothing(extract: Extract) -> None:
    extract.recommend("abandon", "09:59:59.999999")
    extract.recommend("tap", "10:00:00")
    extract.recommend("abandon", f"{D2}T10:00:00.000001Z", day=D2)
    (row,) = attempts(extract, "recommendation", f"{D2}T10:00:00Z")
    assert row["outcome"] == "open"  # as-of is not past the window's end yet
    (row,) = attempts(extract, "recommendation", f"{D2}T10:00:00.000001Z")
    assert row["outcome"] == "dropped"


def test_an_abandoned_attempt_stays_abandoned_when_the_next_one_opens(extract: Extract) -> None:
    extract.recommend("tap", "10:00:00")
    extract.recommend("abandon", "10:01:00")
    extract.recommend("tap", "10:02:00")
    assert [row["outcome"] for row in attempts(extract, "recommendation")] == ["abandoned", "open"]


def test_events_with_a_null_in_their_entity_take_no_part(extract: Extract) -> None:
    """The hint funnel's entity is user and question: an attempt without a hint opens nothing. A quiz has its id."""
    extract.study("quiz_start", "10:00:00", quiz_id="q")
    extract.study("quiz_complete", "10:10:00", quiz_id="q")
    extract.study("quiz_complete", "10:11:00", quiz_id="another")
    (row,) = attempts(extract, "quiz")
    assert (row["entity"], row["outcome"], row["seconds_to_complete"]) == (f"{ANN}|q", "completed", 600)
    assert step(extract, "quiz", 2)["unattributed_events"] == 1
    material = Funnel("by_chunk", "study", ("material_open", "material_read"), timedelta(hours=1), ("chunk_id",))
    extract.study("material_open", "11:00:00")
    extract.study("material_open", "11:00:00", chunk_id="chunk")
    extract.study("material_read", "11:01:00", time_spent_seconds=1)
    marts = extract.marts(funnels=[material])
    assert [(row["entity"], row["steps_reached"]) for row in marts["funnel_attempts"]] == [("chunk", 1)]
    assert [row["unattributed_events"] for row in marts["funnel_daily"]] == [0, 0]


def test_two_entities_never_share_a_text(extract: Extract) -> None:
    extract.recommend("tap", "10:00:00", child="a|b", recommendation="c")
    extract.recommend("tap", "10:01:00", child="a", recommendation="b|c")
    extract.recommend("tap", "10:02:00", child="a%7C", recommendation="b|c")
    assert {row["entity"] for row in attempts(extract, "recommendation")} == {"a%7Cb|c", "a|b%7Cc", "a%257C|b%7Cc"}
    assert [row["attempt"] for row in attempts(extract, "recommendation")] == [1, 1, 1]


def test_a_ninth_funnel_takes_a_declaration_alone(extract: Extract) -> None:
    """Eight steps, of a system and with an entity of its own: one second apart each, 7 s in all."""
    types = (
        *("session_start", "question_view", "ai_hint_requested", "question_submit"),
        *("ai_feedback_positive", "ai_question_asked", "search_performed", "session_end"),
    )
    for number, event_type in enumerate(types):
        extract.study(event_type, f"10:00:0{number}")
    ninth = Funnel("ninth", "study", types, timedelta(seconds=7), ("session_id",))
    marts = extract.marts(funnels=[*SHIPPED, ninth])
    (row,) = [row for row in marts["funnel_attempts"] if row["funnel"] == "ninth"]
    assert (row["entity"], row["steps_reached"], row["seconds_to_complete"]) == (S1, 8, 7)
    assert row["step_8_at"] == at("10:00:07")
    assert sum(row["funnel"] == "ninth" for row in marts["funnel_daily"]) == 8


def test_the_shipped_funnels_are_those_of_the_specification() -> None:
    assert [funnel.name for funnel in SHIPPED] == [
        *("recommendation", "test_session", "review", "quiz", "material", "question", "hint", "draft")
    ]
    assert [funnel.window // timedelta(hours=1) for funnel in SHIPPED] == [24, 168, 168, 24, 168, 1, 1, 720]


def test_the_entities_of_a_step_are_distinct(extract: Extract) -> None:
    """Three attempts of two entities; two attempts of one of them complete: 2 / 3 of attempts, 1 / 2 of entities.

    They take 60 s and 120 s, with a median of 90 s.
    """
    for minute, answered in (("00", "01"), ("10", "12")):
        extract.study("question_view", f"10:{minute}:00", question_id=Q1)
        extract.study("question_submit", f"10:{answered}:00", question_id=Q1)
    extract.study("question_view", "10:20:00", user=S1, question_id=Q1)
    row = step(extract, "question", 2)
    assert (row["attempts"], row["entities"]) == (2, 1)
    assert row["conversion_from_first"] == Decimal("0.666666667")
    assert (row["entity_conversion_from_first"], row["median_seconds_from_previous"]) == (Decimal("0.5"), 90)


def test_steps_on_another_date_belong_to_the_date_opened(extract: Extract) -> None:
    extract.recommend("tap", "23:59:59")
    extract.recommend("start", f"{D2}T00:00:01Z", day=D2)
    assert [row["date"] for row in extract.marts()["funnel_daily"]] == [D1, D1, D1]
    assert (step(extract, "recommendation", 2)["events"], step(extract, "recommendation", 2)["attempts"]) == (1, 1)
    assert extract.one("recommendation_funnel", date=D1)["starts"] == 1
    row = extract.one("recommendation_funnel", date=D2)
    assert (row["taps"], row["starts"], row["start_rate"], row["completion_rate"]) == (0, 0, None, None)


def test_the_funnel_of_a_recommendation(extract: Extract) -> None:
    """Kid and sis are shown it, kid twice: 3 impressions, 2 children. Kid taps 3 times: click-through 3 / 3.

    Attempt 1 starts and completes, attempt 2 starts and is abandoned, attempt 3 is abandoned at once: 2 starts of 3
    taps, 1 completion of 2 starts, 2 abandons. One child of two tapped.
    """
    extract.recommend("impression", "09:00:00")
    extract.recommend("impression", "09:01:00")
    extract.recommend("impression", "09:00:00", child="sis")
    for hour, events in (("10", ("tap", "start", "complete")), ("11", ("tap", "start", "abandon"))):
        for minute, event in enumerate(events):
            extract.recommend(event, f"{hour}:0{minute}:00")
    extract.recommend("tap", "12:00:00", key="kid:tap:rec")
    extract.recommend("abandon", "12:01:00")
    row = extract.one("recommendation_funnel")
    assert (row["impressions"], row["children_shown"], row["taps"], row["children_tapped"]) == (3, 2, 3, 1)
    assert (row["click_through_rate"], row["child_tap_rate"]) == (1, Decimal("0.5"))
    assert (row["starts"], row["completions"], row["abandons"]) == (2, 1, 2)
    assert (row["start_rate"], row["completion_rate"]) == (Decimal("0.666666667"), Decimal("0.5"))
    assert row["collapsed_events"] == 1


def test_collapsed_events_of_an_attempt_are_those_in_its_scope(extract: Extract) -> None:
    """Of tap, start and abandon two are collapsed; the impression is no event of the funnel."""
    extract.recommend("impression", "10:00:00", key="kid:impression:rec")
    extract.recommend("tap", "10:00:00", key="kid-tap-rec")
    extract.recommend("start", "10:01:00")
    extract.recommend("abandon", "10:02:00", key="kid|abandon|rec")
    (row,) = attempts(extract, "recommendation")
    assert row["collapsed_events"] == 2
    assert extract.one("recommendation_funnel")["collapsed_events"] == 3
