"""Topic mastery from night to night: a promotion scores all anew, and an answer changes only what follows."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from tests.integration.extracts import put, study_event
from tests.integration.warehouse import Warehouse
from tests.reference import Model, assert_same, build
from tests.reference.histories import Line, Name, Night, history, write_file
from tests.reference.marts.mastery import COLUMNS, is_held_out

# What the champion decides.
SCORED = (*COLUMNS, "user_learning_metrics", "question_stats")


def assert_scored_by(warehouse: Warehouse, model: Model, night: Night, context: str) -> None:
    expected = build(night.rows(), night.loads(), model=model)
    for mart in SCORED:
        assert_same(mart, expected[mart], warehouse.mart(mart), context=context)
    for mart in ("attempt_predictions", "topic_mastery_daily", "topic_mastery"):
        assert {row["model_version"] for row in warehouse.mart(mart)} == {model.version}, context


def test_a_promotion_scores_everything_anew(tmp_path: Path) -> None:
    """With new extracts, and on a night without any; and back to the first champion, whose rows come back."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    world = history(11, nights=3, snapshots=True, learners=6)
    nights = iter(world)

    def arrive() -> Night:
        night = next(nights)
        night.write(warehouse.home.landing)
        warehouse.load()
        return night

    warehouse.promote(world.champion())
    night = arrive()
    warehouse.build()
    assert_scored_by(warehouse, world.champion(), night, "the first night")

    night = arrive()
    warehouse.promote(world.challenger())
    warehouse.build()
    assert_scored_by(warehouse, world.challenger(), night, "a promotion with new extracts")

    warehouse.promote(world.champion())
    warehouse.build()
    assert_scored_by(warehouse, world.champion(), night, "a promotion and nothing else")

    # The next night goes on by keys.
    night = arrive()
    warehouse.build()
    assert_scored_by(warehouse, world.champion(), night, "the night after promotions")
    warehouse.assert_equals_rebuild("the night after promotions")


def test_a_flipped_answer_of_a_held_out_learner_changes_their_later_predictions_only(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    world = history(3, nights=4, snapshots=True, learners=16)
    warehouse.promote(world.champion())
    for night in world:
        night.write(warehouse.home.landing)
    warehouse.load()
    warehouse.build()
    before = predictions(warehouse)

    answer = an_early_answer(before, night)
    flip(warehouse, night, answer["attempt_id"])
    warehouse.load()
    warehouse.build()
    after = predictions(warehouse)

    assert after[answer["attempt_id"]] == {**answer, "is_correct": not answer["is_correct"]}
    assert before.keys() == after.keys()
    changed = {key for key in before if before[key] != after[key]} - {answer["attempt_id"]}
    # Each of them, as the learner's attempts are all counted.
    assert changed == later_than(answer, before)


def test_a_night_looks_up_what_was_hundreds_of_attempts_ago(tmp_path: Path) -> None:
    """Memories reach 300 attempts back, 10 on a topic, and one at a question: each lies on other nights here.

    Of 130 attempts a date every 26th is on the second topic, and each of the 40 questions comes back after a third of a
    date. The date in the middle comes last, with an attempt of the second date that moves all behind it.
    """
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    dates = [date(2026, 3, day) for day in range(2, 7)]
    late = attempt(dates[1], 500, at_minute=300)
    for arriving in (dates[:2], dates[2:3], dates[4:], dates[3:4]):
        for day in arriving:
            answers = [attempt(day, number, at_minute=8 * number) for number in range(130)]
            put(warehouse, "study", day, "events", answers + ([late] if day == dates[3] else []))
        warehouse.load()
        warehouse.build()
        if arriving not in (dates[:2], dates[2:3]):
            warehouse.assert_equals_rebuild(f"with {arriving}")
    states = warehouse.query("select learner_attempts, date from warehouse.intermediate.int_study__mastery_states")
    assert sorted(row["learner_attempts"] for row in states) == list(range(1, 5 * 130 + 2))
    (built,) = warehouse.query("select batch from warehouse.keyed.builds where model = 'int_study__mastery_states'")
    assert built["batch"] == 4, "each night is a batch of the first build"


def attempt(day: date, number: int, at_minute: int) -> dict[str, Any]:
    """Two of three are correct; which ones goes round with the questions."""
    return study_event(
        day,
        number,
        "question_submit",
        at_minute,
        question_id=f"50000000-0000-4000-8000-{number % 40:012d}",
        topic_id=f"40000000-0000-4000-8000-{int(number % 26 == 0):012d}",
        properties={"is_correct": (number + day.day) % 3 != 0, "hint_used": number % 7 == 0},
    )


def predictions(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.query(
        "select predictions.*, attempted_at from attempt_predictions as predictions"
        " inner join question_attempts using (attempt_id)"
    )
    return {row["attempt_id"]: row for row in rows}


def later_than(answer: dict[str, Any], rows: dict[str, dict[str, Any]]) -> set[str]:
    """The attempts of the same learner that come after one."""
    return {key for key, row in rows.items() if row["user_id"] == answer["user_id"] and order(row) > order(answer)}


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["attempted_at"], row["attempt_id"])


def files_with(event_id: str, night: Night) -> list[Name]:
    """The files that have an event, one for each time."""
    return [name for name, lines in night.files.items() for line in lines if event_id in line.text.lower()]


def an_early_answer(rows: dict[str, dict[str, Any]], night: Night) -> dict[str, Any]:
    """The answer of a held-out learner that most of theirs come after, of those that were sent once."""
    held_out = [row for row in rows.values() if is_held_out(row["user_id"]) and row["is_held_out"]]
    once = [row for row in held_out if len(files_with(row["attempt_id"], night)) == 1]
    answer = max(once, key=lambda row: len(later_than(row, rows)))
    assert len(later_than(answer, rows)) >= 10
    return answer


def flip(warehouse: Warehouse, night: Night, event_id: str) -> None:
    """Replace the file that has an answer by one that has the other."""
    (name,) = files_with(event_id, night)
    lines = tuple(flipped(line) if event_id in line.text.lower() else line for line in night.files[name])
    write_file(warehouse.home.landing, name, lines, night.index + 1)


def flipped(line: Line) -> Line:
    document = json.loads(line.text)
    document["properties"]["is_correct"] = not document["properties"]["is_correct"]
    return Line(json.dumps(document))
