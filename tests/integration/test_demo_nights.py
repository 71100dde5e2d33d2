"""The demo, in every format and with every fault: loaded in pieces, against a rebuild and what it knows of itself."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from ingestion.demo import generate
from tests.integration.warehouse import Warehouse


def test_demo_in_pieces_equals_a_rebuild_and_its_truth(tmp_path: Path) -> None:
    warehouse = Warehouse(tmp_path / "nightly", target=tmp_path / "target")
    generate(warehouse.home, learners=25, days=12, seed=7)
    for first, last in [(date(2026, 1, 9), date(2026, 1, 11)), (date(2026, 1, 5), date(2026, 1, 7)), (None, None)]:
        warehouse.load(first, last)
        warehouse.build()
    warehouse.assert_equals_rebuild("demo in pieces")
    warehouse.dbt("test", "--select", "test_type:data")

    truth = json.loads((warehouse.home.root / "demo_truth.json").read_text())
    said = {(book["system"], book["stream"], book["extract_date"]): book for book in truth["extracts"]}
    ledger = {(row["system"], row["stream"], str(row["extract_date"])): row for row in warehouse.mart("event_ledger")}
    assert ledger.keys() == said.keys()
    for key, book in said.items():
        row = ledger[key]
        got = (row["rows_read"], row["rows_accepted"], row["rows_duplicate"], row["rows_conflict"], row["rows_late"])
        assert got == (book["rows"], book["accepted"], book["duplicates"], book["conflicts"], book["late"]), key
        rejected = {
            name.removeprefix("rejected_"): count
            for name, count in row.items()
            if name.startswith("rejected_") and count
        }
        assert rejected == {reason: count for reason, count in book["rejected"].items() if count}, key
