"""Drafts, who writes them, and the leaderboard."""

from __future__ import annotations

import hashlib
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.reference.extract import D1, D2, Extract, at


def create(extract: Extract, who: str, when: str, draft: str = "draft", **data: Any) -> None:
    extract.draft("DraftCreated", when, draft, creator_id=who, **data)


def write(extract: Extract, who: str, when: str, draft: str = "draft", **data: Any) -> None:
    extract.draft("SegmentAdded", when, draft, segment_id="s", contributor_id=who, **data)


def hand_over(extract: Extract, giver: str, taker: str, when: str, draft: str = "draft", **data: Any) -> None:
    extract.draft("RINGPassed", when, draft, from_user_id=giver, to_user_id=taker, **data)


def person(extract: Extract, user_id: str, as_of: str | None = None) -> dict[str, Any]:
    return extract.one("collaborator_analytics", as_of, user_id=user_id)


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_a_draft(extract: Extract) -> None:
    create(extract, "ann", "10:00:00")
    create(extract, "ben", "11:00:00")  # a second creation changes nothing
    for who in ("ben", "ben", "cat"):
        extract.draft("DraftViewed", "10:05:00", user_id=who)
    extract.draft("DraftShared", "10:06:00", user_id="cat")
    write(extract, "ann", "10:10:00")
    write(extract, "ann", "10:11:00")
    write(extract, "ben", "10:12:00")
    hand_over(extract, "ann", "ben", "10:12:00")
    extract.draft("DraftPublished", "12:00:00", publisher_id="ann")
    extract.draft("DraftPublishedEvent", "11:30:00", publisher_id="ben")
    row = extract.one("draft_analytics")
    assert (row["created_at"], row["creator_id"]) == (at("10:00:00"), "ann")
    assert (row["views"], row["unique_viewers"], row["shares"]) == (3, 2, 1)
    assert (row["segments"], row["contributors"], row["ring_passes"]) == (3, 2, 1)
    assert (row["last_activity_at"], row["published_at"]) == (at("12:00:00"), at("11:30:00"))


def test_a_draft_that_nobody_created(extract: Extract) -> None:
    extract.draft("DraftViewed", "10:05:00", user_id="ann")
    row = extract.one("draft_analytics")
    assert (row["created_at"], row["creator_id"], row["published_at"]) == (None, None, None)


def test_the_key_breaks_a_tie_between_creations(extract: Extract) -> None:
    create(extract, "ann", "10:00:00", key="b")
    create(extract, "ben", "10:00:00", key="a")
    assert extract.one("draft_analytics")["creator_id"] == "ben"


# --- holds ----------------------------------------------------------------------------------------------------------


def test_a_hold_runs_from_creation_or_reception_to_the_next_pass(extract: Extract) -> None:
    """Ann holds 10:00-10:10 and 10:30-10:31, (10 + 1) / 2 = 5.5 minutes; Ben 10:10-10:30; Ben again from 10:31."""
    create(extract, "ann", "10:00:00")
    hand_over(extract, "ann", "ben", "10:10:00")
    hand_over(extract, "ben", "ann", "10:30:00")
    hand_over(extract, "ann", "ben", "10:31:00")
    ann, ben = (person(extract, who, f"{D1}T11:01:00Z") for who in ("ann", "ben"))
    assert (ann["avg_hold_minutes"], ann["open_holds"], ann["rings_held"]) == (Decimal("5.5"), 0, 1)
    assert ann["longest_open_hold_minutes"] is None
    assert (ben["avg_hold_minutes"], ben["open_holds"], ben["rings_held"]) == (20, 1, 2)
    assert ben["longest_open_hold_minutes"] == 30


def test_receiving_again_starts_the_hold_anew(extract: Extract) -> None:
    """Cat passes without a hold, as far as anybody knows; the ring that Ben has is Ben's from 10:20 on: 5 minutes."""
    hand_over(extract, "ann", "ben", "10:00:00")
    hand_over(extract, "cat", "ben", "10:20:00")
    hand_over(extract, "ben", "ann", "10:25:00")
    assert person(extract, "ben")["avg_hold_minutes"] == 5
    assert person(extract, "ben")["rings_held"] == 2
    assert person(extract, "cat")["avg_hold_minutes"] is None


def test_a_pass_without_a_hold_closes_nothing_and_who_receives_holds(extract: Extract) -> None:
    """Ann has passed already: her second pass ends no hold of hers."""
    create(extract, "ann", "10:00:00")
    hand_over(extract, "ann", "ben", "10:10:00")
    hand_over(extract, "ann", "cat", "10:50:00")
    assert (person(extract, "ann")["avg_hold_minutes"], person(extract, "ann")["open_holds"]) == (10, 0)
    assert person(extract, "ben")["open_holds"] == 1  # what Ann does to Cat is not Ben's pass
    assert person(extract, "cat")["open_holds"] == 1


def test_a_pass_to_oneself_closes_and_opens_nothing_but_is_a_ring_received(extract: Extract) -> None:
    """Ann holds 10:00-10:30, as if she had not passed to herself; Ben, without a hold, gets none from himself."""
    create(extract, "ann", "10:00:00")
    hand_over(extract, "ann", "ann", "10:10:00")
    hand_over(extract, "ann", "ben", "10:30:00", draft="draft")
    hand_over(extract, "cat", "cat", "10:40:00")
    assert (person(extract, "ann")["avg_hold_minutes"], person(extract, "ann")["rings_held"]) == (30, 1)
    assert (person(extract, "cat")["open_holds"], person(extract, "cat")["rings_held"]) == (0, 1)


def test_holds_are_of_one_draft_and_an_open_one_is_never_negative(extract: Extract) -> None:
    """At 10:30 the hold of `one` is 30 minutes old, that of `two` begins later."""
    create(extract, "ann", "10:00:00", "one")
    create(extract, "ann", "11:00:00", "two")
    hand_over(extract, "ann", "ben", "11:10:00", "three")
    row = person(extract, "ann", f"{D1}T10:30:00Z")
    assert (row["open_holds"], row["longest_open_hold_minutes"], row["avg_hold_minutes"]) == (2, 30, None)
    assert person(extract, "ben", f"{D1}T10:30:00Z")["longest_open_hold_minutes"] == 0


def test_every_role_names_a_collaborator(extract: Extract) -> None:
    create(extract, "creator", "10:00:00")
    extract.draft("DraftViewed", "10:01:00", user_id="viewer")
    extract.draft("DraftShared", "10:02:00", user_id="friend")
    write(extract, "writer", "10:03:00")
    write(extract, "writer", "10:04:00", "other")
    hand_over(extract, "giver", "taker", "10:05:00")
    extract.draft("DraftPublished", "10:06:00", publisher_id="publisher")
    rows = {row["user_id"]: row for row in extract.marts()["collaborator_analytics"]}
    assert rows.keys() == {"creator", "viewer", "friend", "writer", "giver", "taker", "publisher"}
    assert (rows["writer"]["drafts_contributed"], rows["writer"]["segments_written"]) == (2, 2)
    assert (rows["giver"]["last_activity_at"], rows["taker"]["last_activity_at"]) == (at("10:05:00"), at("10:05:00"))
    assert (rows["creator"]["drafts_created"], rows["publisher"]["drafts_created"]) == (1, 0)


# --- leaderboard ----------------------------------------------------------------------------------------------------


def board(extract: Extract, metric: str, period: str, as_of: str | None = None) -> list[tuple[int, str, int]]:
    rows = extract.marts(as_of)["leaderboard"]
    return [
        (row["position"], row["user_id"], row["score"])
        for row in rows
        if (row["metric"], row["period"]) == (metric, period)
    ]


def test_scores(extract: Extract) -> None:
    """Ann: 1 draft, 3 segments in 2 drafts, 1 ring received (from herself). Ben: 1 ring.

    Collaboration of Ann 3 x 3 + 1 x 2 + 2 = 13, of Ben 2; momentum of Ann 3 + 5 = 8; consistency of Ann 5 + 2 x 2 = 9.
    """
    create(extract, "ann", "10:00:00")
    write(extract, "ann", "10:01:00")
    write(extract, "ann", "10:02:00")
    write(extract, "ann", "10:03:00", "other")
    hand_over(extract, "ann", "ann", "10:04:00")
    hand_over(extract, "ann", "ben", "10:05:00")
    assert board(extract, "collaboration", "7d") == [(1, "ann", 13), (2, "ben", 2)]
    assert board(extract, "momentum", "7d") == [(1, "ann", 8)]
    assert board(extract, "consistency", "7d") == [(1, "ann", 9)]
    name = extract.one("leaderboard", metric="momentum", period="all_time")["display_name"]
    assert name == "user_" + hashlib.md5(b"ann").hexdigest()[:6]


def test_ties_go_by_user_id_and_ten_have_a_place(extract: Extract) -> None:
    """Twelve with a segment each, `B` before `a` by code point; the one with two comes first."""
    for who in ("b", "a", "B", *"cdefghijk"):
        write(extract, who, "10:00:00")
    write(extract, "k", "10:01:00")
    assert [user for _, user, _ in board(extract, "momentum", "all_time")] == ["k", "B", *"abcdefgh"]
    assert [place for place, _, _ in board(extract, "momentum", "all_time")] == list(range(1, 11))


def test_nobody_without_a_score_has_a_place(extract: Extract) -> None:
    extract.draft("DraftViewed", "10:00:00", user_id="ann")
    assert extract.marts()["leaderboard"] == []
    write(extract, "ben", "10:00:00")
    assert board(extract, "consistency", "30d") == [(1, "ben", 2)]


@pytest.mark.parametrize(
    ("when", "periods"),
    [
        ("2026-03-08T12:00:00Z", set()),  # at as-of
        ("2026-03-08T11:59:59.999999Z", {"7d", "30d", "all_time"}),
        ("2026-03-01T12:00:00Z", {"7d", "30d", "all_time"}),
        ("2026-03-01T11:59:59.999999Z", {"30d", "all_time"}),
        ("2026-02-06T12:00:00Z", {"30d", "all_time"}),
        ("2026-02-06T11:59:59.999999Z", {"all_time"}),
    ],
)
def test_periods_are_hours_before_as_of_also_within_a_day(extract: Extract, when: str, periods: set[str]) -> None:
    """As-of is noon of 8 March: 7 days before is noon of the 1st, 30 days before noon of 6 February."""
    write(extract, "ann", when, day=date(2026, 3, 8))
    rows = extract.marts("2026-03-08T12:00:00Z")["leaderboard"]
    assert {row["period"] for row in rows if row["metric"] == "momentum"} == periods


def test_distinct_drafts_are_counted_anew_within_a_period(extract: Extract) -> None:
    """One draft in two periods: 1 in each; over all two segments x 3 + 1 draft = 7, within 7 days 3 + 1 = 4."""
    write(extract, "ann", "2026-02-20T10:00:00Z", day=D2)
    write(extract, "ann", "10:00:00", day=D2)
    assert board(extract, "collaboration", "30d") == [(1, "ann", 7)]
    assert board(extract, "collaboration", "7d") == [(1, "ann", 4)]
