"""What goes on over midnights, in any order: models that compute days of a key find the days that a change moves.

What belongs here: few keys with many events, so that nearly all of them tell of each other. For the whole warehouse see
`test_order.py`.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.integration.extracts import put, study_event
from tests.integration.warehouse import PROJECT, Warehouse
from tests.reference import SHIPPED, Funnel, Load, Row, assert_same, build

DAYS = [date(2026, 1, 5) + timedelta(days=number) for number in range(10)]
LEARNERS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
SESSION = {"session_id": "20000000-0000-4000-8000-000000000001"}
OTHER_SESSION = {"session_id": "20000000-0000-4000-8000-000000000002"}
TOPIC = {"topic_id": "30000000-0000-4000-8000-000000000001"}
MATERIAL = {"material_id": "40000000-0000-4000-8000-000000000001"}
Extracts = dict[date, list[dict[str, Any]]]


def late(chance: random.Random, happened: int) -> date:
    """The extract date of an event: mostly its own, or one that comes later."""
    return DAYS[min(happened + chance.choice([0, 0, 0, 1, 4, 9]), 9)]


def assert_any_order_is_right(
    warehouse: Warehouse,
    extracts: Extracts,
    chance: random.Random,
    marts: Sequence[str],
    funnels: Sequence[Funnel] = SHIPPED,
) -> None:
    """Deliver the dates in any order, some again without half of their events; compare after every second delivery.

    The newest date comes first, so that as-of never goes back, with which models are built in full.
    """
    dates = [DAYS[-1], *chance.sample(DAYS[:-1], 9)]
    half = {day: chance.sample(extracts[day], len(extracts[day]) // 2) for day in chance.sample(DAYS[:-1], 4)}
    delivered: Extracts = {}
    for number, (day, events) in enumerate([*((day, extracts[day]) for day in dates), *half.items()]):
        delivered[day] = events
        put(warehouse, "study", day, "events", events)
        if number < 3 or number % 2 == 0:
            continue
        warehouse.load()
        warehouse.build(*marts)
        rows = (
            Row("study", "events", on, "events.ndjson", line, 0, event)
            for on, events in delivered.items()
            for line, event in enumerate(events, start=1)
        )
        loads = (Load("study", "events", on) for on in delivered)
        expected = build(rows, loads, funnels=funnels)
        for mart in marts:
            assert_same(mart, expected[mart], warehouse.mart(mart), context=f"delivery {number} of {day}")
    for mart in marts:
        [last] = warehouse.query(f"select max(batch) as batch from keyed.builds where model = '{mart}'")
        assert last["batch"] > 4, f"{mart} was built in full"


def test_attempts_at_funnels(tmp_path: Path) -> None:
    """Windows of an hour, a day and an hour, and three days; attempts are cut off by others long after.

    Events whose attempt is withdrawn are in no scope any more, on days of which nothing else changed.
    """
    chance = random.Random(1)
    fields = {
        "session_start": SESSION,
        "topic_explored": TOPIC,
        "material_bookmark": MATERIAL,
        "session_end": SESSION,
    }
    funnels = [
        Funnel(
            name=f"of_{hours}_hours",
            system="study",
            steps=("session_start", "topic_explored", "material_bookmark"),
            window=timedelta(hours=hours),
            entity=("user_id",),
            exclusions=("session_end",),
        )
        for hours in (1, 25, 72)
    ]
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    with (project / "seeds" / "funnels.csv").open("w") as seeds:
        seeds.write("funnel,step,role,system,event_type,window_hours,entity\n")
        for funnel in funnels:
            hours = funnel.window // timedelta(hours=1)
            for step, event_type in enumerate(funnel.steps, start=1):
                seeds.write(f"{funnel.name},{step},step,study,{event_type},{hours},user_id\n")
            seeds.write(f"{funnel.name},0,exclusion,study,session_end,{hours},user_id\n")

    extracts: Extracts = {day: [] for day in DAYS}
    for number in range(160):
        happened = chance.randrange(10)
        event_type = chance.choice([*fields, "topic_explored", "material_bookmark"])
        at_one_instant_or_not = chance.choice([0, 720, 725, 1439, chance.randrange(1440)])
        who = {"user_id": chance.choice(LEARNERS), **fields[event_type]}
        event = study_event(DAYS[happened], number, event_type, at_one_instant_or_not, **who)
        extracts[late(chance, happened)].append(event)
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target", project=project)
    assert_any_order_is_right(warehouse, extracts, chance, ["funnel_attempts", "funnel_daily"], funnels)


def test_answers_hints_and_explanations(tmp_path: Path) -> None:
    """Attempts are numbered, with the hints before and the explanations behind them, in sessions that go on for days.

    Right answers follow hints within an hour, which may end after midnight, as the reference has it; and within 25, as
    a rebuild has it.
    """
    chance = random.Random(2)
    extracts: Extracts = {day: [] for day in DAYS}
    for number in range(160):
        happened = chance.randrange(10)
        event_type = chance.choice(["ai_hint_requested", "question_submit", "ai_explanation_requested"])
        session = chance.choice([SESSION, OTHER_SESSION, {}])
        question = {**TOPIC, **session, "question_id": f"50000000-0000-4000-8000-00000000000{chance.randrange(2)}"}
        payload = {"is_correct": chance.random() < 0.4} if event_type == "question_submit" else {}
        who = {"user_id": chance.choice(LEARNERS), **question, "properties": payload}
        minutes = chance.choice([0, 1439, chance.randrange(30), chance.randrange(1380, 1440), chance.randrange(1440)])
        extracts[late(chance, happened)].append(study_event(DAYS[happened], number, event_type, minutes, **who))
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    assert_any_order_is_right(warehouse, extracts, chance, ["question_attempts", "ai_coach_daily_stats"])
    told = ("hint_used", "explanation_viewed")
    assert {tuple(row[name] for name in told) for row in warehouse.mart("question_attempts")} == {
        (hint, explanation) for hint in (True, False) for explanation in (True, False)
    }

    # A minute before midnight, and answered two midnights later.
    extracts = {day: [] for day in DAYS}
    for number in range(8):
        question = {**TOPIC, **SESSION, "question_id": f"50000000-0000-4000-8000-00000000000{number}"}
        hint = study_event(DAYS[number], 2 * number, "ai_hint_requested", 1439, **question)
        right = {**question, "properties": {"is_correct": True}}
        answer = study_event(DAYS[number + 2], 2 * number + 1, "question_submit", number % 2 * 120, **right)
        extracts[late(chance, number)].append(hint)
        extracts[late(chance, number + 2)].append(answer)
    longer = Warehouse(tmp_path / "longer", target=tmp_path / "target_longer")
    variables = {"hint_success_minutes": 1500, "fewest_rows_built_in_full": 1000}
    hints = "select * from warehouse.intermediate.int_study__hints order by event_id"
    followed = set()
    for number, day in enumerate([DAYS[-1], *chance.sample(DAYS[:-1], 9)]):
        put(longer, "study", day, "events", extracts[day])
        longer.load()
        longer.build("int_study__hints", **variables)
        if number in (2, 5, 9):
            by_nights = longer.query_warehouse(hints)
            rebuilt = Warehouse(tmp_path / f"rebuilt_{number}", target=longer.target, lake_of=longer)
            rebuilt.build("int_study__hints", **variables)
            assert by_nights == rebuilt.query_warehouse(hints)
            followed |= {row["is_followed_by_correct_answer"] for row in by_nights}
    assert followed == {True, False}
    [last] = longer.query_warehouse(
        "select max(batch) as batch from warehouse.keyed.builds where model = 'int_study__hints'"
    )
    assert last["batch"] > 5, "it was built in full"


def test_an_attempt_that_none_follows_any_more_is_open_again(tmp_path: Path) -> None:
    """As of half an hour after its opening, with an hour to go; the one that followed was days later."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    question = {**TOPIC, "question_id": "50000000-0000-4000-8000-000000000001"}
    first, follower = (study_event(DAYS[day], day, "question_view", 720, **question) for day in (0, 8))
    outcomes = []
    put(warehouse, "study", DAYS[0], "events", [first])
    for events in ([follower], []):
        put(warehouse, "study", DAYS[8], "events", events)
        warehouse.load()
        warehouse.build("funnel_attempts", as_of=datetime(2026, 1, 5, 12, 30))
        outcomes.append([row["outcome"] for row in warehouse.mart("funnel_attempts")])
    assert outcomes == [["dropped", "open"], ["open"]]


def test_nights_without_any_funnel(tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    seed = project / "seeds" / "funnels.csv"
    seed.write_text(seed.read_text().partition("\n")[0] + "\n")
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target", project=project)
    for number, day in enumerate(DAYS[:2]):
        put(warehouse, "study", day, "events", [study_event(day, number, "session_start", 720, **SESSION)])
        warehouse.load()
        warehouse.build("funnel_daily")
    assert warehouse.mart("funnel_daily") == []


def test_sessions_by_gaps(tmp_path: Path) -> None:
    """Of one learner around midnights; of the other one, who never sleeps, a session goes on for days."""
    chance = random.Random(3)
    extracts: Extracts = {day: [] for day in DAYS}
    number = 0
    for learner, gaps, first, last in ((LEARNERS[0], (5, 30, 31, 60), 1320, 1560), (LEARNERS[1], (29, 30), 0, 1440)):
        for day in range(9):
            minutes = first
            while minutes < last:
                number += 1
                happened = day + minutes // 1440
                event = study_event(DAYS[happened], number, "topic_explored", minutes % 1440, user_id=learner, **TOPIC)
                extracts[late(chance, happened)].append(event)
                minutes += chance.choice(gaps)
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    assert_any_order_is_right(warehouse, extracts, chance, ["study_sessions"])
