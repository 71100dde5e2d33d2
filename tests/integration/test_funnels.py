"""A funnel takes rows of the seed, and nothing else."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from tests.integration.warehouse import PROJECT, Warehouse
from tests.reference import SHIPPED, Funnel, assert_same, build
from tests.reference.histories import history

NINTH = Funnel(
    name="start_then_answer",
    system="study",
    steps=("session_start", "question_submit"),
    window=timedelta(hours=2),
    entity=("user_id",),
    exclusions=("session_end",),
)
MARTS = ("funnel_attempts", "funnel_daily", "recommendation_funnel")
ROWS = """\
start_then_answer,1,step,study,session_start,2,user_id
start_then_answer,2,step,study,question_submit,2,user_id
start_then_answer,0,exclusion,study,session_end,2,user_id
"""


def test_a_ninth_funnel_takes_rows_alone(tmp_path: Path) -> None:
    """It comes between two nights, holds the history too, and goes on by keys."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target", project=project)
    nights = iter(history(2, nights=3))

    def night() -> None:
        arrived = next(nights)
        arrived.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build(*MARTS)
        expected = build(arrived.rows(), arrived.loads(), funnels=funnels)
        for mart in MARTS:
            assert_same(mart, expected[mart], warehouse.mart(mart), context=f"night {arrived.index}")

    funnels = SHIPPED
    night()
    night()
    with (project / "seeds" / "funnels.csv").open("a") as seed:
        seed.write(ROWS)
    funnels = (*SHIPPED, NINTH)
    night()
    of_the_ninth = [row for row in warehouse.mart("funnel_attempts") if row["funnel"] == "start_then_answer"]
    assert {row["outcome"] for row in of_the_ninth} >= {"completed", "abandoned", "dropped"}
    warehouse.dbt("test", "--select", "funnels_are_declared_well", "funnel_entities_are_staging_columns")


@pytest.mark.found("a soak")
def test_an_event_under_the_reused_key_of_another_one(tmp_path: Path) -> None:
    """An event under the reused key of another one, at the same instant, stopped the night: two rows had one key."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    folder = warehouse.home.landing / "recommendation" / "2026-01-05"
    folder.mkdir(parents=True)
    same = {"event_key": "kid:tap:rec", "occurred_at": "2026-01-05T10:00:00Z", "child_id": "kid"}
    events = [{**same, "event": event, "recommendation_id": "rec"} for event in ("tap", "start")]
    (folder / "events.ndjson").write_text("".join(json.dumps(event) + "\n" for event in events))
    warehouse.load()
    warehouse.build()
    warehouse.dbt("test", "--select", "test_type:data")
    [row] = warehouse.mart("recommendation_funnel")
    assert (row["taps"], row["starts"], row["collapsed_events"]) == (1, 1, 1)


BADLY_DECLARED = """\
a,1,step,study,quiz_start,1,user_id
a,2,step,study,quiz_complete,2,user_id
b,1,step,study,quiz_start,1,user_id
b,3,step,study,quiz_complete,1,user_id
c,1,step,study,quiz_start,1,user_id
c,2,step,study,quiz_start,1,user_id
d,1,step,textbook,chapter_visit,1,user_id+learner
e,1,step,study,search_preformed,1,user_id
f,1,step,textbook,chapter_visit,1,user_id++++chapter_id
g,1,step,textbook,chapter_visit,1,user_id+
h,1,step,textbook,chapter_visit,1,user_id++chapter_id
i,1,step,textbook,chapter_visit,24.5,user_id
j,1,step,textbook,chapter_visit,,user_id
k,1,step,textbook,chapter_visit,1,
l,1,step,textbook,,1,user_id
m,1,step,,chapter_visit,1,user_id
n,1,,textbook,chapter_visit,1,user_id
o,1,exlusion,textbook,chapter_visit,1,user_id
p,1.5,step,textbook,chapter_visit,1,user_id
q,1,step,textbook,chapter_visit,99999999999999999999,user_id
r,1,step,textbook,chapter_visit,1,user_id+source_file
s,1,step,assessment,SESSION_CREATED,1,event_id+event_type+stream
t,,step,textbook,chapter_visit,1,user_id
,1,step,textbook,chapter_visit,1,user_id
"""


def test_a_funnel_that_is_declared_badly_is_refused(tmp_path: Path) -> None:
    """Each fault is told with the name of its funnel.

    `f` and `h` passed once and lost `chapter_id` in silence, 24.5 hours became 25, a blank cell failed a test that did
    not say whose it was, and an entity of `source_file` made marts depend on the order of loading.
    """
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    with (project / "seeds" / "funnels.csv").open("a") as seed:
        seed.write(BADLY_DECLARED)
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target", project=project)
    warehouse.dbt("seed")
    tests = ("funnels_are_declared_well", "funnel_entities_are_staging_columns", "funnel_event_types_are_known")
    warehouse.dbt("compile", "--select", *tests)
    compiled = warehouse.target / "compiled" / "daybook" / "tests" / "funnels"
    faults, entities, types = (warehouse.query_warehouse((compiled / f"{test}.sql").read_text()) for test in tests)
    none_of_the_systems = "which is none of study, assessment, recommendation, collaboration, textbook"
    must_be = "hours: it must be a whole number from 1 to 87600"
    assert sorted((row["funnel"] or "", row["fault"]) for row in faults) == [
        ("", "a row names no funnel"),
        ("a", "names more than one window"),
        ("b", "steps are not numbered 1, 2, ..."),
        ("c", "names the event type quiz_start twice"),
        ("i", f'has a window of "24.5" {must_be}'),
        ("j", f'has a window of "" {must_be}'),
        ("k", "has a row without an entity"),
        ("l", "has a row without an event type"),
        ("m", f'has the system "", {none_of_the_systems}'),
        ("n", "has no step"),
        ("n", 'has the role "", which is neither step nor exclusion'),
        ("o", "has no step"),
        ("o", 'has the role "exlusion", which is neither step nor exclusion'),
        ("p", "steps are not numbered 1, 2, ..."),
        ("q", f'has a window of "99999999999999999999" {must_be}'),
        ("t", "steps are not numbered 1, 2, ..."),
    ]
    no_column = 'has "{}" in its entity, which is no text column of the system {} that tells entities apart'
    assert sorted((row["funnel"], row["fault"]) for row in entities) == [
        ("d", no_column.format("learner", "textbook")),
        ("f", 'has the entity "user_id++++chapter_id", which has more than three parts'),
        ("g", no_column.format("", "textbook")),
        ("h", no_column.format("", "textbook")),
        ("r", no_column.format("source_file", "textbook")),
        ("s", no_column.format("event_id", "assessment")),
        ("s", no_column.format("event_type", "assessment")),
        ("s", no_column.format("stream", "assessment")),
    ]
    assert {(row["funnel"], row["event_type"]) for row in types} == {
        ("e", "search_preformed"),
        ("l", None),
        ("m", "chapter_visit"),
    }


def test_a_seed_of_other_types_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """A warehouse whose seed had numbers kept them so, and 24.5 hours became 25 before anything could refuse it."""
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    with duckdb.connect(str(warehouse.home.warehouse)) as con:
        con.execute("create schema seeds")
        con.execute("""
            create table seeds.funnels (
                funnel text, step bigint, role text, system text, event_type text, window_hours bigint, entity text
            )""")
    warehouse.dbt("seed", "--select", "funnels")
    rows = warehouse.query_warehouse(
        "select distinct typeof(step) as step, typeof(window_hours) as hours from warehouse.seeds.funnels"
    )
    assert rows == [{"step": "VARCHAR", "hours": "VARCHAR"}]
