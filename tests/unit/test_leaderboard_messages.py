"""The leaderboard speaks kindly: each text of its seeds is read against words that compare, rank or shame."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
METRICS = {"collaboration", "momentum", "consistency"}

# Each is a whole word or a phrase, in any case. Two lists, as they go wrong in two ways.
COMPARING = (
    r"ahead",
    r"behind",
    r"catch(ing)? up",
    r"overtak\w+|overtook",
    r"compar\w+",
    r"compet\w+",
    r"outperform\w*|outrank\w*|outdo\w*|outshin\w*|outwrit\w*",
    r"beat(s|en|ing)?",
    r"win|wins|won|winning|winners?",
    r"los(e|es|ing|t|ers?)",
    r"champions?",
    r"rank(s|ed|ing)?",
    r"place[sd]?|positions?|spots?|standings?|podium|leaders?|leading|runners?-up",
    r"first|second|third|\d+(st|nd|rd|th)",
    r"last place|bottom",
    r"top",
    r"#\s*\d+|no\. ?\d+|number (one|two|three|\d+)",
    r"best|better|worse|worst|superior|inferior",
    r"more|most|less|least|fewer|fewest|higher|highest|lower|lowest|faster|fastest|slower|slowest",
    r"than",
    r"others?|another|anyone|everyone|everybody|nobody|somebody else|someone else|no one",
    r"(class|team)mates|peers|rivals?|opponents?|average",
    r"percentile|per ?cent|score[sd]?|points?",
)
SHAMING = (
    r"lazy|laziness|slow|slowly|slack\w*|idle",
    r"fail(s|ed|ing|ures?)?",
    r"bad|poor|poorly|weak|weakness\w*|disappoint\w*|shame\w*|asham\w*|embarrass\w*",
    r"only|just|merely|barely|hardly|at least",
    r"not enough|enough",
    r"should(n't)?|must(n't)?|ought|have to|need to|had better",
    r"try harder|work harder|step up|hurry|don't stop",
    r"miss(ed|ing)?|neglect\w*|forg[eo]t\w*|gave up|give up",
    r"unfortunately|sadly|but|however|yet|still",
)
FAULTS = [re.compile(rf"(?<!\w)({pattern})(?!\w)", re.IGNORECASE) for pattern in COMPARING + SHAMING]


def rows(seed: str) -> list[dict[str, str]]:
    with (SEEDS / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def texts() -> list[str]:
    return [row["insight"] for row in rows("leaderboard_insights")] + [
        row["message"] for row in rows("leaderboard_messages")
    ]


def faults(text: str) -> list[str]:
    """The words of a text that compare or shame."""
    plain = text.replace("\u2019", "'")
    return [found.group() for pattern in FAULTS for found in pattern.finditer(plain)]


@pytest.mark.parametrize("text", texts())
def test_a_text_neither_compares_nor_shames(text: str) -> None:
    assert faults(text) == []
    assert text == text.strip()
    assert re.fullmatch(r"[A-Z].*\.", text), "a sentence"
    assert not re.search(r"\d", text), "a number is a comparison in disguise"


@pytest.mark.parametrize("text", texts())
def test_a_text_has_no_straight_apostrophe(text: str) -> None:
    """Spark's seeds put texts between such without escaping them: one `'` in a text, and the load failed there."""
    assert "'" not in text


@pytest.mark.parametrize(
    "text",
    [
        "You're behind.",
        "You\u2019re way BEHIND!",
        "You are ahead of your friends.",
        "You write better than most.",
        "Your scores are worse this week.",
        "You beat them all.",
        "You rank high.",
        "You are #1.",
        "A top 10 writer.",
        "A TOP writer.",
        "You are in first place.",
        "You made it to the podium.",
        "You came 3rd.",
        "Others wrote a lot.",
        "Everyone else has passed the ring.",
        "You wrote fewer segments.",
        "You wrote less than last week.",
        "More than anyone.",
        "You outperform your class.",
        "You are competing well.",
        "What a winner.",
        "Don't be a loser.",
        "You are slow.",
        "Don't be lazy.",
        "You only wrote one segment.",
        "You failed to write.",
        "You should write.",
        "You must come back.",
        "Not enough segments.",
        "Nice, but there is room.",
    ],
)
def test_a_text_that_compares_or_shames_is_caught(text: str) -> None:
    assert faults(text)


def test_a_word_within_another_is_no_fault() -> None:
    """`won` is in wonderful, `rank` in frankly, `top` in stop, `last` in lasting."""
    assert faults("Wonderful: your stories have a lasting charm, and frankly, don't let it stop.") == []


def test_each_metric_has_its_texts() -> None:
    assert {row["metric"] for row in rows("leaderboard_weights")} == METRICS
    assert sorted(row["metric"] for row in rows("leaderboard_messages")) == sorted(METRICS)
    assert sorted((row["metric"], int(row["position"])) for row in rows("leaderboard_insights")) == sorted(
        (metric, position) for metric in METRICS for position in range(1, 11)
    )
