"""Ten nights with all that goes wrong in deliveries: after each one the marts equal a rebuild, and the marts as plain Python computes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.warehouse import Rows, Warehouse
from tests.reference import assert_same, build
from tests.reference.histories import history

# What describes the loading itself is no function of the lake's rows.
ABOUT_LOADING = {"mart_catalog": {"bytes", "built_at"}}


def contents(warehouse: Warehouse, mart: str) -> list[tuple[object, ...]]:
    """A mart's rows without what describes its building, in an order of their own."""
    left_out = ABOUT_LOADING.get(mart, set())
    rows: Rows = warehouse.mart(mart)
    return sorted((tuple(value for name, value in row.items() if name not in left_out) for row in rows), key=repr)


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_nights_equal_a_rebuild_and_the_reference(seed: int, tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    for night in history(seed, nights=10, snapshots=True):
        night.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build()
        context = f"seed {seed}, night {night.index}: {night.story}"

        for mart, expected in build(night.rows(), night.loads()).items():
            assert_same(mart, expected, warehouse.mart(mart), context=context)

        rebuilt = Warehouse(tmp_path / f"rebuilt-{night.index}", target=warehouse.target, lake_of=warehouse)
        rebuilt.build(full=True)
        assert rebuilt.marts() == warehouse.marts()
        for mart in warehouse.marts():
            assert contents(warehouse, mart) == contents(rebuilt, mart), f"{mart} differs from a rebuild, {context}"
