"""A funnel takes rows of the seed, and nothing else."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

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
        warehouse.build()
        expected = build(arrived.rows(), arrived.loads(), funnels=funnels)
        for mart in ("funnel_attempts", "funnel_daily", "recommendation_funnel"):
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
    warehouse.assert_equals_rebuild("with a ninth funnel")
    warehouse.dbt("test", "--select", "funnels_are_declared_well", "funnel_entities_are_staging_columns")


def test_a_funnel_that_is_declared_badly_is_refused(tmp_path: Path) -> None:
    """Two windows, a gap in the steps, a type twice, an entity that is no column, a misspelt type: each is named."""
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    with (project / "seeds" / "funnels.csv").open("a") as seed:
        seed.write("a,1,step,study,quiz_start,1,user_id\na,2,step,study,quiz_complete,2,user_id\n")
        seed.write("b,1,step,study,quiz_start,1,user_id\nb,3,step,study,quiz_complete,1,user_id\n")
        seed.write("c,1,step,study,quiz_start,1,user_id\nc,2,step,study,quiz_start,1,user_id\n")
        seed.write("d,1,step,textbook,chapter_visit,1,user_id+learner\n")
        seed.write("e,1,step,study,search_preformed,1,user_id\n")
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target", project=project)
    warehouse.dbt("seed")
    tests = ("funnels_are_declared_well", "funnel_entities_are_staging_columns", "funnel_event_types_are_known")
    warehouse.dbt("compile", "--select", *tests)
    compiled = warehouse.target / "compiled" / "daybook" / "tests" / "funnels"
    faults, parts, types = (warehouse.query_warehouse((compiled / f"{test}.sql").read_text()) for test in tests)
    assert {(row["funnel"], row["fault"]) for row in faults} == {
        ("a", "names more than one window"),
        ("b", "steps are not numbered 1, 2, ..."),
        ("c", "names the event type quiz_start twice"),
    }
    assert [(row["funnel"], row["part"]) for row in parts] == [("d", "learner")]
    assert [(row["funnel"], row["event_type"]) for row in types] == [("e", "search_preformed")]
