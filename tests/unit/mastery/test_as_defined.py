"""The model in numpy, which fits it, against the model in plain Python, written from its definition alone."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mastery.attempts import Attempts, read_attempts
from mastery.evaluate import predict
from mastery.fit import fit
from tests.integration.warehouse import as_if_fitted
from tests.reference import Model, build
from tests.reference.histories import History, history
from tests.reference.marts import Mart
from tests.reference.marts.mastery import is_held_out

NAMES = ("attempt_id", "user_id", "topic_id", "question_id", "attempted_at", "is_correct", "hint_used")


@pytest.fixture(scope="module")
def world() -> History:
    lived = history(3, nights=7, learners=16, rejects=False)
    for _night in lived:
        pass
    return lived


def as_columns(mart: Mart) -> Attempts:
    """The mart `question_attempts` as it is read for a fit."""
    question_attempts = pa.Table.from_pylist([{name: row[name] for name in NAMES} for row in mart])
    with duckdb.connect() as con:
        con.register("question_attempts", question_attempts)
        return read_attempts(con, "question_attempts")


@pytest.mark.parametrize("which", ["champion", "challenger"])
def test_predictions_are_those_of_the_definition(world: History, which: str) -> None:
    model: Model = getattr(world, which)()
    marts = build(world.rows(), world.loads(), model=model)
    expected = {row["attempt_id"]: row for row in marts["attempt_predictions"]}
    in_order = sorted(
        marts["question_attempts"], key=lambda row: (row["user_id"], row["attempted_at"], row["attempt_id"])
    )
    attempts = as_columns(marts["question_attempts"])
    predicted = predict(attempts, as_if_fitted(model))
    assert len(predicted) == len(in_order) > 400
    for attempt, value, held_out in zip(in_order, predicted, attempts.is_held_out, strict=True):
        row = expected[attempt["attempt_id"]]
        assert float(value) == pytest.approx(float(row["predicted_correct"]), abs=1e-9), attempt
        assert bool(held_out) == row["is_held_out"]


def test_what_held_out_learners_answer_decides_nothing(world: History) -> None:
    """Every answer of theirs turned round gives the same fit, coefficient for coefficient."""
    mart = build(world.rows(), world.loads())["question_attempts"]
    held_out = {row["user_id"] for row in mart if is_held_out(row["user_id"])}
    assert held_out
    turned: list[dict[str, Any]] = [
        {**row, "is_correct": not row["is_correct"]} if row["user_id"] in held_out else row for row in mart
    ]
    one, other = (fit(as_columns(rows), date(2026, 4, 1)) for rows in (mart, turned))
    assert one.version == other.version
    assert one.coefficients == other.coefficients
    assert one.difficulties.equals(other.difficulties)


def test_a_fit_does_not_depend_on_the_order_of_rows(world: History) -> None:
    mart = build(world.rows(), world.loads())["question_attempts"]
    one, other = (as_columns(rows) for rows in (mart, list(reversed(mart))))
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("learner", "at", "is_correct"))
