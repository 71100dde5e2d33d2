"""Two relations as parity sees them: what is the same, and each way in which they can differ."""

from __future__ import annotations

import duckdb
import pytest

from orchestration.parity import Mart, compare, marts

MART = Mart("stats", ("user", "day"), ("user", "day", "tries", "seconds", "rate", "device"))

ROWS = """
    (values
        ('a', date '2026-01-05', 3::bigint, 10.000001::decimal(18, 6), 0.333333333::double, 'phone'),
        ('a', date '2026-01-06', 0, 0, null, null),
        ('b', date '2026-01-05', 1, 999999999999.999999, 1, 'desk')
    ) as rows("user", day, tries, seconds, rate, device)"""


def differences(change: str, rows: str = ROWS) -> tuple[str, ...]:
    """What differs when the second side is what `change` selects from the same rows."""
    with duckdb.connect() as con:
        sides = {"one": f"(select * from {ROWS})", "two": f"({change.format(rows=rows)})"}
        return compare(con, MART, sides).differences


def test_the_same_rows_in_another_order() -> None:
    assert differences("select * from {rows} order by tries") == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("select * from {rows} where tries > 0", "1 row on one alone"),
        ("from {rows} union all select 'c', date '2026-01-05', 1, 1, 1, 'x'", "1 row on two alone"),
        ("from {rows} union all from {rows}", "3 keys more than once on two"),
        ("select * replace (tries + 1 as tries) from {rows}", "3 rows with another tries"),
        ("select * replace (coalesce(device, '') as device) from {rows}", "1 row with another device"),
        ("select * replace (coalesce(rate, 0) as rate) from {rows}", "1 row with another rate"),
        ("select * exclude (rate) from {rows}", "rate is DOUBLE on one and missing on two"),
        ("select * replace (tries::integer as tries) from {rows}", "tries is BIGINT on one and INTEGER on two"),
    ],
)
def test_what_differs_is_named(change: str, expected: str) -> None:
    assert differences(change) == (expected,)


def test_another_key_is_a_row_on_either_side() -> None:
    change = 'select * replace (case when tries = 1 then \'c\' else "user" end as "user") from {rows}'
    assert differences(change) == ("1 row on one alone", "1 row on two alone")


@pytest.mark.parametrize(("factor", "same"), [(1 + 0.9e-9, True), (1 + 1.1e-9, False), (1 - 1.1e-9, False)])
def test_numbers_may_differ_by_one_part_in_a_billion(factor: float, same: bool) -> None:
    assert (differences(f"select * replace (rate * {factor!r} as rate) from {{rows}}") == ()) is same


@pytest.mark.parametrize(("one", "two"), [("nan", "1"), ("1", "nan"), ("inf", "1"), ("inf", "-inf")])
def test_what_is_no_number_is_near_nothing(one: str, two: str) -> None:
    rows = f"(select * replace ('{one}'::double as rate) from {ROWS})"
    with duckdb.connect() as con:
        sides = {"one": rows, "two": f"(select * replace ('{two}'::double as rate) from {ROWS})"}
        assert compare(con, MART, sides).differences == ("3 rows with another rate",)
        assert compare(con, MART, {"one": rows, "two": rows}).differences == ()


def test_a_decimal_that_is_nothing_on_one_side() -> None:
    change = "select * replace (nullif(seconds, 0) as seconds) from {rows}"
    assert differences(change) == ("1 row with another seconds",)


def test_marts_are_found_in_the_manifest_without_what_describes_the_build() -> None:
    def node(name: str, schema: str, **columns: dict[str, object]) -> dict[str, object]:
        held = {column: {"name": column, "config": {"meta": meta}} for column, meta in columns.items()}
        return {
            "unique_id": f"model.daybook.{name}",
            "resource_type": "model",
            "schema": schema,
            "name": name,
            "columns": held,
        }

    def key(name: str, *columns: str) -> dict[str, object]:
        metadata = {"name": "primary_key", "kwargs": {"columns": list(columns)}}
        return {
            "unique_id": f"test.{name}",
            "resource_type": "test",
            "schema": "marts",
            "attached_node": f"model.daybook.{name}",
            "test_metadata": metadata,
        }

    nodes = [
        node("visits", "marts", user={}, day={}, pages={}),
        node("catalog", "marts", mart={}, built_at={"about_the_build": True}),
        node("int_visits", "intermediate", user={}),
        key("visits", "user", "day"),
        key("catalog", "mart"),
        key("int_visits", "user"),
    ]
    assert marts({"nodes": {node["unique_id"]: node for node in nodes}}) == [
        Mart("catalog", ("mart",), ("mart",)),
        Mart("visits", ("user", "day"), ("user", "day", "pages")),
    ]
