from __future__ import annotations

from typing import Any

from orchestration.lineage import column_lineage


def node(name: str, columns: list[str], sql: str | None = None, parents: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "resource_type": "model",
        "database": "warehouse",
        "schema": "staging",
        "name": name,
        "alias": name,
        "columns": {column: {"data_type": "integer"} for column in columns},
        "config": {},
        "compiled_code": sql,
        "depends_on": {"nodes": list(parents)},
    }


def lineage_of(sql: str, columns: list[str]) -> dict[str, list[tuple[str, str]]]:
    child = node("child", columns, sql, ("model.parent", "model.other"))
    nodes = {
        "model.parent": node("parent", ["id", "n"]),
        "model.other": node("other", ["id", "label"]),
        "model.child": child,
    }
    return column_lineage({"nodes": nodes, "sources": {}})["model.child"]


def test_through_ctes_joins_and_aggregates() -> None:
    sql = """
        with p as (select * from "warehouse"."staging"."parent"),
        o as (select id, label from "warehouse"."staging"."other")
        select p.id, sum(p.n * 2) as doubled, max(o.label) as label, 1 as one
        from p left join o on p.id = o.id group by p.id
    """
    assert lineage_of(sql, ["id", "doubled", "label", "one"]) == {
        "id": [("model.parent", "id")],
        "doubled": [("model.parent", "n")],
        "label": [("model.other", "label")],
        "one": [],
    }


def test_sql_that_the_parser_does_not_know_has_no_lineage() -> None:
    assert lineage_of("select from where", ["id"]) == {}
