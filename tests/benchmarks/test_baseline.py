"""The yardstick of the benchmark makes what Daybook makes: else it could be as fast as it likes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from benchmarks import baseline
from mastery.store import Store
from tests.benchmarks.deliveries import Delivery, delivery
from tests.integration.warehouse import PROJECT, Warehouse, as_if_fitted
from tests.reference import KEYS, assert_same, build

ROOT = PROJECT.parent
STUDY = sorted(path.stem for path in (PROJECT / "models/marts/study").glob("*.sql"))
MARTS = (*STUDY, "funnel_attempts", "funnel_daily", "mart_as_of")
# Of marts that the specification, and so the reference, does not know.
OTHER_KEYS = {
    "knowledge_gap_spells": KEYS["knowledge_gaps"],
    "mart_as_of": ("as_of",),
    "mastery_evaluation": ("model_version", "split", "method"),
}
IDS = ("user_id", "session_id", "material_id", "chunk_id", "topic_id", "question_id")
ENVELOPE = ("event_id", "event_type", "event_ts", *IDS)
QUESTIONS = {asked["name"]: asked for asked in yaml.safe_load((ROOT / "benchmarks/questions.yaml").read_text())}


class Marts:
    """The tables of a database file."""

    def __init__(self, database: Path) -> None:
        self.con = duckdb.connect(str(database), read_only=True)

    def names(self) -> set[str]:
        found = self.con.execute("select table_name from information_schema.tables where table_schema = 'marts'")
        return {name for (name,) in found.fetchall()}

    def types(self, mart: str) -> list[tuple[str, str]]:
        return [(name, of_type) for name, of_type, *_ in self.con.execute(f"describe marts.{mart}").fetchall()]

    def rows(self, mart: str) -> list[dict[str, Any]]:
        return self.answers(f"from marts.{mart}")

    def answers(self, sql: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.con.execute(sql).to_arrow_table().to_pylist()
        return rows


@pytest.fixture(scope="module")
def delivered() -> Delivery:
    """Six nights of sixteen learners: every kind of gap comes of them."""
    return delivery(seed=4, nights=6, learners=16)


@pytest.fixture(scope="module")
def by_hand(delivered: Delivery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marts]:
    root = tmp_path_factory.mktemp("by-hand")
    delivered.write(root / "landing")
    delivered.write_model(root / "model.json")
    baseline.build(root / "landing", root / "by_hand.duckdb", model=root / "model.json")
    marts = Marts(root / "by_hand.duckdb")
    yield marts
    marts.con.close()


@pytest.fixture(scope="module")
def daybook(delivered: Delivery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marts]:
    root = tmp_path_factory.mktemp("daybook")
    warehouse = Warehouse(root / "home", target=root / "target")
    delivered.write(warehouse.home.landing)
    Store(warehouse.home).save(as_if_fitted(delivered.model), promote=True)
    warehouse.load()
    warehouse.build()
    books = warehouse.mart("event_ledger")
    assert not sum(row["rows_rejected"] + row["rows_conflict"] for row in books)
    assert sum(row["rows_duplicate"] for row in books) > 50 and sum(row["rows_late"] for row in books) > 50
    marts = Marts(warehouse.home.marts)
    yield marts
    marts.con.close()


def test_every_study_mart_is_there(by_hand: Marts) -> None:
    assert by_hand.names() == set(MARTS)


@pytest.mark.parametrize("mart", MARTS)
def test_a_mart_by_hand_is_daybooks(mart: str, by_hand: Marts, daybook: Marts) -> None:
    assert by_hand.types(mart) == daybook.types(mart)
    expected = daybook.rows(mart)
    assert expected or mart == "mastery_evaluation"
    assert_same(mart, expected, by_hand.rows(mart), key={**KEYS, **OTHER_KEYS}[mart])


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_has_one_answer(name: str, by_hand: Marts, daybook: Marts) -> None:
    asked = QUESTIONS[name]
    answer = daybook.answers(asked["marts"])
    assert answer == by_hand.answers(asked["events"])
    assert answer


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("seed", "snapshots"), [(1, True), (2, False)])
def test_as_of_another_instant(seed: int, snapshots: bool, tmp_path: Path) -> None:
    """Other histories, one without reference data, against the reference: it takes no night."""
    dealt = delivery(seed, nights=3, learners=3 + seed)
    if not snapshots:
        dealt = replace(dealt, files={name: lines for name, lines in dealt.files.items() if name.stream == "events"})
    dealt.write(tmp_path / "landing")
    dealt.write_model(tmp_path / "model.json")
    as_of = datetime(2026, 3, 4, 12, 30)
    baseline.build(tmp_path / "landing", tmp_path / "by_hand.duckdb", as_of, model=tmp_path / "model.json")
    marts = Marts(tmp_path / "by_hand.duckdb")
    expected = build(dealt.rows(), dealt.loads(), as_of, model=dealt.model)
    held = marts.names() & expected.keys()
    assert len(held) > 15
    for mart in sorted(held):
        assert_same(mart, expected[mart], marts.rows(mart))
    marts.con.close()


def test_parquet_is_read_like_ndjson(delivered: Delivery, tmp_path: Path) -> None:
    """A night's baseline comes as Parquet; the command line is what the benchmark measures."""
    delivered.write(tmp_path / "landing")
    as_command = [sys.executable, "-m", "benchmarks.baseline", tmp_path / "landing", tmp_path / "ndjson.duckdb"]
    subprocess.run(as_command, cwd=ROOT, check=True)
    columns = dict.fromkeys((*ENVELOPE, "properties"), "varchar")
    with duckdb.connect() as con:
        for path in (tmp_path / "landing").glob("study/*/events*.ndjson"):
            lines = f"read_json('{path}', format = 'newline_delimited', columns = {columns})"
            rows = f"select * replace (event_ts::timestamptz at time zone 'UTC' as event_ts) from {lines}"
            con.execute(f"copy ({rows}) to '{path.with_suffix('.parquet')}'")
            path.unlink()
    baseline.build(tmp_path / "landing", tmp_path / "parquet.duckdb")
    ndjson, parquet = Marts(tmp_path / "ndjson.duckdb"), Marts(tmp_path / "parquet.duckdb")
    for mart in MARTS:
        assert sorted(map(repr, parquet.rows(mart))) == sorted(map(repr, ndjson.rows(mart))), mart
    for marts in (ndjson, parquet):
        marts.con.close()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "by_hand.duckdb").touch()
    with pytest.raises(FileExistsError):
        baseline.build(tmp_path, tmp_path / "by_hand.duckdb")
    with pytest.raises(FileNotFoundError, match="events"):
        baseline.build(tmp_path, tmp_path / "other.duckdb")
