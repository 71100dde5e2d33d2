"""A challenger beside the champion: who scores afterwards, and what is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.home import Home
from mastery.attempts import Attempts
from mastery.model import Figures, Model
from mastery.refit import NoAttempts, decide, refit, table
from mastery.store import Store
from tests.unit.mastery.test_store import figures, model

AS_OF = date(2026, 1, 15)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def make_marts(home: Home, learners: int, attempts: int) -> None:
    """Learners who each answer so many questions on four topics, some learners better than others."""
    home.work.mkdir(parents=True, exist_ok=True)
    home.marts.unlink(missing_ok=True)
    with duckdb.connect(str(home.marts)) as con:
        con.execute("create schema marts")
        con.execute("create table marts.mart_catalog as select timestamp '2026-01-15' as as_of")
        con.execute(
            f"""create table marts.question_attempts as
            select 'a' || learner || '-' || n as attempt_id, 'learner ' || learner as user_id,
                'topic ' || n % 4 as topic_id, 'question ' || n % 12 as question_id,
                timestamp '2026-01-01' + to_minutes(n * 300 + learner) as attempted_at,
                hash(learner, n) % 100 < 35 + 6 * (learner % 10) as is_correct, n % 9 = 0 as hint_used
            from range({learners}) as l (learner), range({attempts}) as a (n)"""
        )


@pytest.fixture
def challenger(monkeypatch: pytest.MonkeyPatch) -> str:
    """A model that is fitted at once."""
    monkeypatch.setattr("mastery.fit.fit", lambda attempts, fitted_on: replace(model("b"), fitted_on=fitted_on))
    monkeypatch.setattr("mastery.evaluate.calibration", lambda attempts, model: [(0.5, 0.4, 10)])
    return "b"


def measure(monkeypatch: pytest.MonkeyPatch, **log_losses: float) -> None:
    """Let models have these held-out log-losses, by version (`_` for `-`)."""

    def evaluate(attempts: Attempts, models: Sequence[Model], evaluated_on: date) -> list[Figures]:
        naive = replace(figures(models[0].version, "topic_average", 0.7), evaluated_on=evaluated_on)
        own = [figures(m.version, log_loss=log_losses[m.version.replace("-", "_")]) for m in models]
        return [naive, *(replace(f, evaluated_on=evaluated_on) for f in own)]

    monkeypatch.setattr("mastery.evaluate.evaluate", evaluate)


def test_without_marts_it_says_what_to_do(home: Home) -> None:
    with pytest.raises(NoAttempts, match="run make nightly first"):
        refit(home)
    home.work.mkdir(exist_ok=True)
    with duckdb.connect(str(home.marts)) as con:  # a first night that died early
        con.execute("create schema marts")
    with pytest.raises(NoAttempts, match="run make nightly first"):
        refit(home)


def test_with_too_few_learners_the_champion_stays(home: Home) -> None:
    make_marts(home, learners=3, attempts=20)
    done = refit(home)
    assert done.told.startswith("shipped-1 stays, for there is too little to fit: ")
    assert (done.champion, done.challenger, done.figures) == ("shipped-1", None, ())
    assert Store(home).versions() == ["shipped-1"]


@pytest.mark.parametrize("log_loss", [0.5, 0.6])
def test_a_challenger_that_is_not_worse_is_promoted(
    home: Home, challenger: str, monkeypatch: pytest.MonkeyPatch, log_loss: float
) -> None:
    make_marts(home, learners=3, attempts=3)
    measure(monkeypatch, shipped_1=0.6, b=log_loss)
    done = refit(home)
    assert done.told == f"b replaces shipped-1: held-out log-loss {log_loss:.4f}, was 0.6000"
    assert (done.champion, done.challenger, done.calibration) == ("b", "b", [(0.5, 0.4, 10)])
    store = Store(home)
    assert store.champion_version() == "b"
    assert store.model("b").fitted_on == AS_OF
    kept = {(f.model_version, f.method) for f in store.figures()}
    # The naive methods stand beside the new champion, though they were measured beside the old one.
    assert kept == {("shipped-1", "mastery"), ("b", "mastery"), ("b", "topic_average")}
    assert {f.evaluated_on for f in store.figures()} == {AS_OF}


def test_a_worse_challenger_is_kept_and_the_champion_stays(
    home: Home, challenger: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_marts(home, learners=3, attempts=3)
    measure(monkeypatch, shipped_1=0.6, b=0.61)
    done = refit(home)
    assert done.told == "shipped-1 stays: held-out log-loss 0.6000, the challenger's is 0.6100"
    store = Store(home)
    assert (store.champion_version(), store.versions()) == ("shipped-1", ["shipped-1", "b"])
    kept = {(f.model_version, f.method) for f in store.figures()}
    assert kept == {("shipped-1", "mastery"), ("shipped-1", "topic_average"), ("b", "mastery")}


def test_the_same_fit_again_only_measures(home: Home, challenger: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_marts(home, learners=3, attempts=3)
    measure(monkeypatch, shipped_1=0.6, b=0.5)
    refit(home)
    measure(monkeypatch, b=0.4)
    done = refit(home)
    assert (done.told, done.champion, done.challenger) == ("b stays: a fit today is the same", "b", None)
    assert [f.log_loss for f in Store(home).figures() if (f.model_version, f.method) == ("b", "mastery")] == [0.4]


def test_without_held_out_learners_nobody_is_replaced() -> None:
    measured = [replace(figures(version), split="fitted") for version in ("a", "b")]
    assert decide(model("a"), model("b"), measured) == (False, "a stays: no held-out learner answered right and wrong")


def test_a_fit_from_marts_to_champion(home: Home) -> None:
    """The parts as they are, on few attempts: what is fitted is kept, and found again by the next fit."""
    make_marts(home, learners=30, attempts=24)
    done = refit(home)
    assert {(f.split, f.method) for f in done.figures} == {
        (split, method)
        for split in ("held_out", "fitted")
        for method in ("mastery", "topic_average", "running_accuracy", "exponential_accuracy")
    }
    assert done.challenger in Store(home).versions()
    assert sum(attempts for _, _, attempts in done.calibration) == 24 * sum(int(h) for (h,) in _held_out(home))


def _held_out(home: Home) -> list[tuple[int]]:
    with duckdb.connect(str(home.marts), read_only=True) as con:
        return con.execute(
            "select count(distinct user_id) from marts.question_attempts"
            " where cast('0x' || md5(user_id)[1:8] as bigint) % 5 = 0"
        ).fetchall()


def test_the_table_reads_well_as_text() -> None:
    rows = [figures("b", "topic_average", 0.7), figures("a", log_loss=0.6), figures("b", log_loss=0.5)]
    assert table(rows, champion="b") == "\n".join(
        [
            "| method, on held-out learners |    AUC | log-loss |    ECE |",
            "| ---------------------------- | -----: | -------: | -----: |",
            "| mastery, champion b          | 0.7000 |   0.5000 | 0.0100 |",
            "| mastery, other model a       | 0.7000 |   0.6000 | 0.0100 |",
            "| topic average                | 0.7000 |   0.7000 | 0.0100 |",
        ]
    )
    assert table([], champion="b") == ""
