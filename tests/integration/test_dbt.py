"""dbt's own tests, and what a build does on a lake without a single load."""

from __future__ import annotations

import json

import duckdb
import pytest

from tests.integration.warehouse import Warehouse


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    root = tmp_path_factory.mktemp("empty")
    warehouse = Warehouse(root / "home", target=root / "target")
    warehouse.build()
    return warehouse


def test_unit_tests_of_the_models(empty: Warehouse) -> None:
    empty.dbt("test", "--select", "test_type:unit")


def test_data_tests_hold_on_an_empty_lake(empty: Warehouse) -> None:
    empty.dbt("test", "--select", "test_type:data")


def test_dbt_keeps_to_the_memory_that_it_may_take(empty: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_MEMORY", "much")
    with pytest.raises(AssertionError, match="DAYBOOK_MEMORY is 'much'") as failure:
        empty.dbt("show", "--inline", "select 1 as one")
    assert empty.mart("study_sessions") == [], f"what holds the database is not closed by: {failure.value}"


@pytest.mark.parametrize(("limit", "threads"), [("1GB", 1), ("", 2)])
def test_within_a_limit_of_memory_each_model_may_have_all_of_it(
    empty: Warehouse, monkeypatch: pytest.MonkeyPatch, limit: str, threads: int
) -> None:
    monkeypatch.setenv("DAYBOOK_MEMORY", limit)
    empty.dbt("run", "--select", "staging", writes_json=True)
    results = json.loads((empty.target / "run_results.json").read_text())["results"]
    used = [result["thread_id"] for result in results if result["unique_id"].startswith("model.")]
    assert len(used) > 20
    assert len(set(used)) == threads


def test_marts_of_an_empty_lake_are_there_and_empty(empty: Warehouse) -> None:
    assert empty.mart("study_sessions") == []
    catalog = {row["mart"]: row["rows"] for row in empty.mart("mart_catalog")}
    assert sorted(catalog) == empty.marts()
    assert {mart for mart, rows in catalog.items() if rows} == {"mart_as_of", "mart_catalog"}


def test_every_column_is_described_where_analysts_look(empty: Warehouse) -> None:
    undescribed = empty.query("""
        select table_name, column_name from duckdb_columns()
        where database_name = 'daybook' and schema_name = 'marts' and coalesce(comment, '') = ''""")
    assert undescribed == []


def test_rows_that_break_a_condition_are_told_with_the_condition(empty: Warehouse) -> None:
    with duckdb.connect(str(empty.home.marts)) as con:
        for day, questions, rate in ((1, 0, "1"), (2, 1, "null"), (3, 1, "1.5"), (4, -1, "2"), (5, 1, "'nan'")):
            con.execute(
                "insert into marts.ai_coach_daily_stats (date, questions, hint_then_correct_rate) "
                f"values (date '2026-03-0{day}', {questions}, {rate})"
            )
    try:
        with pytest.raises(AssertionError, match="Got 3 results"):
            empty.dbt("test", "--select", "ai_coach_daily_stats_conditions")
        compiled = next(empty.target.rglob("compiled/**/ai_coach_daily_stats_conditions.sql")).read_text()
        broken = empty.query(f"select broken_condition, date from ({compiled}) order by date")
        assert [(row["broken_condition"], row["date"].day) for row in broken] == [
            ("hint_then_correct_rate between 0 and 1", 3),
            ("questions >= 0", 4),
            ("hint_then_correct_rate between 0 and 1", 5),
        ]
    finally:
        with duckdb.connect(str(empty.home.marts)) as con:
            con.execute("delete from marts.ai_coach_daily_stats")
