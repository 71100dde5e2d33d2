"""Where models are kept: what a save changes, what a killed one leaves, and which model scores."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from ingestion.home import Home
from ingestion.lake import Table, attach_lake
from ingestion.lake_on_spark import show_lake
from mastery.model import DIFFICULTIES, Figures, Method, Model
from mastery.store import Store, shipped_model


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def store(home: Home) -> Store:
    found = Store(home)
    found.install_shipped()
    return found


def model(version: str, intercept: float = 0.5, questions: int = 2) -> Model:
    difficulties = [
        {"level": "overall", "id": "", "difficulty": -0.5, "expected_millionths": 622459, "information_millionths": 1},
        *(
            {
                "level": "question",
                "id": f"q{n}",
                "difficulty": n / 3,
                "expected_millionths": n,
                "information_millionths": 2,
            }
            for n in range(questions)
        ),
    ]
    return Model(
        version,
        {"intercept": intercept, "question_difficulty": -1 / 3},
        pa.Table.from_pylist(difficulties, DIFFICULTIES),
        fitted_on=date(2026, 1, 4),
        fitted_attempts=1000,
        first_attempt_on=date(2025, 1, 1),
        last_attempt_on=date(2026, 1, 3),
    )


def figures(version: str, method: Method = "mastery", log_loss: float = 0.5, auc: float = 0.7) -> Figures:
    first, last = date(2025, 1, 1), date(2026, 1, 3)
    return Figures(version, "held_out", method, date(2026, 1, 4), first, last, 10, 100, auc, log_loss, 0.01)


def shown(home: Home, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as con:
        attach_lake(con, home)
        return con.execute(query).fetchall()


def test_a_lake_without_models_has_views_without_rows(home: Home) -> None:
    for name in ("champion", "coefficients", "difficulties", "evaluation"):
        assert shown(home, f"from lake.raw.mastery_{name}") == []
    assert not home.lake.exists()
    with pytest.raises(LookupError, match="no model of topic mastery"):
        Store(home).champion()


def test_a_model_comes_back_as_it_was_saved(store: Store) -> None:
    saved = model("a")
    store.save(saved, [figures("a")], promote=True)
    found = store.champion()
    assert replace(found, difficulties=None) == replace(saved, difficulties=None)  # type: ignore[arg-type]
    assert found.difficulties.equals(saved.difficulties)
    assert store.model("shipped-1") == replace(shipped_model(), difficulties=store.model("shipped-1").difficulties)


def test_the_shipped_model_is_installed_once(home: Home, store: Store) -> None:
    store.install_shipped()
    assert store.champion_version() == "shipped-1"
    store.save(model("a"), promote=True)
    store.install_shipped()
    assert store.champion_version() == "a"
    assert len(list((home.lake / "mastery_models").glob("*.parquet"))) == 2


def test_a_model_that_is_not_promoted_is_kept_and_does_not_score(home: Home, store: Store) -> None:
    store.save(model("a"), [figures("a"), figures("shipped-1")])
    assert store.champion_version() == "shipped-1"
    assert store.versions() == ["shipped-1", "a"]
    scores = "select model_version, is_champion, fitted_attempts from lake.raw.mastery_evaluation order by all"
    assert shown(home, scores) == [("a", False, 1000), ("shipped-1", True, 0)]
    store.promote("a")
    assert shown(home, scores) == [("a", True, 1000), ("shipped-1", False, 0)]
    assert shown(home, "select count(*) from lake.raw.mastery_difficulties where model_version = 'a'") == [(3,)]
    store.promote("shipped-1")
    assert store.champion_version() == "shipped-1"
    with pytest.raises(LookupError, match="no model 'b'"):
        store.promote("b")


def test_the_newest_figures_win_and_the_history_is_kept(store: Store) -> None:
    store.save(model("a"), [figures("a", log_loss=0.6), figures("a", "topic_average")], promote=True)
    store.save_figures([figures("a", log_loss=0.55)])
    assert [(f.method, f.log_loss) for f in store.figures()] == [("mastery", 0.55), ("topic_average", 0.5)]
    assert [f.log_loss for f in store.figures_history()] == [0.6, 0.5, 0.55]
    assert store.champion_version() == "a"


def test_what_is_no_number_is_null_in_the_lake(home: Home, store: Store) -> None:
    store.save(model("a"), [figures("a", auc=math.nan)])
    assert shown(home, "select auc from lake.raw.mastery_evaluation") == [(None,)]
    assert math.isnan(store.figures()[0].auc)


def test_a_version_is_one_model_for_ever(store: Store) -> None:
    store.save(model("a"))
    with pytest.raises(ValueError, match="another model as 'a'"):
        store.save(model("a", intercept=0.6), promote=True)
    with pytest.raises(ValueError, match="another model as 'a'"):
        store.save(model("a", questions=3), promote=True)
    with pytest.raises(ValueError, match="not kept: b"):
        store.save(model("a"), [figures("b")])


@pytest.mark.parametrize("step", ["write", "commit"])
@pytest.mark.parametrize("killed_at", range(4))
def test_a_killed_save_leaves_nothing_that_counts(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch, step: str, killed_at: int
) -> None:
    everything = [f"from lake.raw.mastery_{name} order by all" for name in ("models", "coefficients", "evaluation")]
    store.save(model("a"), [figures("a")], promote=True)
    before = [shown(home, query) for query in everything]
    does, calls = getattr(Table, step), 0

    def kill(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > killed_at:
            raise KeyboardInterrupt
        return does(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Table, step, kill)
        with pytest.raises(KeyboardInterrupt):
            store.save(model("b", intercept=9.0), [figures("b"), figures("a", log_loss=0.1)], promote=True)
    assert [shown(home, query) for query in everything] == before
    assert store.versions() == ["shipped-1", "a"]
    store.save(model("b"), [figures("b")], promote=True)
    assert store.champion().coefficients["intercept"] == 0.5
    for name in ("coefficients", "difficulties", "evaluation"):  # the next save removed what it left
        tables = {path.stem for path in (home.lake / f"mastery_{name}").glob("*.parquet")}
        active = {Path(path).stem for path in Table(home.lake / f"mastery_{name}", ()).files()}
        assert active == {path.stem for path in (home.lake / "mastery_models").glob("*.parquet")} & active
        assert len(active) == (2 if name == "evaluation" else 3)
        assert active <= tables


@pytest.mark.parametrize("reader", ["delta", "parquet"])
def test_spark_is_shown_what_is_saved_alone(
    home: Home, store: Store, monkeypatch: pytest.MonkeyPatch, reader: Any
) -> None:
    """What a killed save has committed is in the Delta tables that Spark reads."""
    with monkeypatch.context() as patched:
        commit = Table.commit

        def kill(table: Table, *args: Any, **kwargs: Any) -> int:
            if table.root.name == "mastery_models":
                raise KeyboardInterrupt
            return commit(table, *args, **kwargs)

        patched.setattr(Table, "commit", kill)
        with pytest.raises(KeyboardInterrupt):
            store.save(model("a"), [figures("a")], promote=True)
    [saved] = [path.stem for path in (home.lake / "mastery_models").glob("000001-*.parquet")]
    statements = {s.split()[4]: s for s in show_lake(home, reader, str(home.root)) if s.startswith("create or replace")}
    assert statements["raw.mastery_coefficients"].endswith(f"where saved_as in ('{saved}')")
    assert statements["raw.mastery_figures"].endswith("from (select 1) where false")
    assert "where is_promoted order by saved_as desc limit 1" in statements["raw.mastery_champion"]
    assert "raw.mastery_figures" in statements["raw.mastery_evaluation"]
