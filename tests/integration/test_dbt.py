"""dbt's own tests, and what a build does on a lake without a single load."""

from __future__ import annotations

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
