"""The picture of what to practise next: order, reasons, and nothing where there is nothing."""

from datetime import date
from xml.etree import ElementTree

import duckdb
import pytest

from mastery.plan import Gap, draw, main, read_gaps, why


def _gap(**changes: object) -> Gap:
    told = {
        "priority": 1, "topic": "Fractions", "gap_type": "struggling", "blocking_topic": None, "score": 0.5,
        "low": 0.4, "high": 0.6, "attempts": 9, "correct": 4, "days_since_practice": 2.6, "recall": 0.8,
        "was_mastered": False,
    }  # fmt: skip
    return Gap(**{**told, **changes})  # type: ignore[arg-type]


def test_reasons() -> None:
    """0.5 is what is left of 0.5 / 0.8 = 0.625."""
    then = "62% when last practised, 3 days ago"
    assert why(_gap()) == f"4 of 9 answers right; {then}"
    assert why(_gap(was_mastered=True)) == f"4 of 9 answers right, mastered once; {then}"
    assert why(_gap(gap_type="forgotten", was_mastered=True)) == f"was mastered: {then}"
    assert why(_gap(gap_type="wheel_spinning")) == f"4 of 9 answers right, never mastered; {then}"
    blocked = _gap(gap_type="blocked", blocking_topic="Decimals")
    assert why(blocked) == "builds on Decimals: that first; 4 of 9 answers right"


def test_the_picture_is_in_order_and_well_formed() -> None:
    gaps = [_gap(), _gap(priority=2, topic="<&>", gap_type="blocked", blocking_topic="Fractions")]
    picture = draw(gaps, date(2026, 2, 3))
    texts = [element.text or "" for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text[:2] in ("1.", "2.")] == ["1.  Fractions", "2.  <&>"]
    assert "as of 3 February 2026" in texts
    circles = ElementTree.fromstring(picture).findall("{http://www.w3.org/2000/svg}circle")
    assert [circle.get("cx") for circle in circles] == ["390.0", "390.0"]  # half of 320 from 230 on
    assert "No open gaps." in draw([], date(2026, 2, 3))


def test_open_gaps_by_priority() -> None:
    with duckdb.connect() as con:
        con.execute("create schema marts")
        con.execute(
            """create table marts.knowledge_gaps as from (values
                ('u', 'a', 2, 'blocked', 'b', null), ('u', 'b', 1, 'forgotten', null, null),
                ('u', 'c', null, 'struggling', null, date '2026-01-05'), ('v', 'a', 1, 'struggling', null, null)
            ) as _(user_id, topic_id, priority, gap_type, blocking_topic_id, resolved_on)"""
        )
        con.execute(
            """create table marts.topic_mastery as
               select user_id, topic_id, 0.5 as mastery_score, 0.4 as mastery_low, 0.6 as mastery_high,
                   9 as questions_attempted, 4 as questions_correct, 2.5 as days_since_practice, 0.9 as recall,
                   null as reached_mastered_at
               from marts.knowledge_gaps"""
        )
        con.execute("create table marts.topics as select 'b' as topic_id, 'Decimals' as topic_name")
        assert [(gap.priority, gap.topic, gap.blocking_topic) for gap in read_gaps(con, "u")] == [
            (1, "Decimals", None),
            (2, "topic a", "Decimals"),
        ]


def test_nothing_published_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path))
    assert main(["somebody"]) == 1
    assert "run make nightly first" in capsys.readouterr().err
