"""A fitted model and the figures that say how good one is, as values. Reading and writing them is `store.py`'s."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa

Split = Literal["held_out", "fitted"]
Method = Literal["mastery", "topic_average", "running_accuracy", "exponential_accuracy"]

# The columns of `Model.difficulties`; docs/guides/mastery_model.md defines them.
DIFFICULTIES = pa.schema(
    [
        ("level", pa.string()),
        ("id", pa.string()),
        ("difficulty", pa.float64()),
        ("expected_millionths", pa.int64()),
        ("information_millionths", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Model:
    """One version of the model: all that was fitted, and on what."""

    version: str
    coefficients: Mapping[str, float]
    difficulties: pa.Table  # of the schema DIFFICULTIES; one row of level `overall`, with an empty id
    fitted_on: date
    fitted_attempts: int
    first_attempt_on: date | None = None  # None, both, where no attempts of the lake's own were fitted
    last_attempt_on: date | None = None


@dataclass(frozen=True)
class Figures:
    """How well one method predicts the attempts of one side of the split."""

    model_version: str  # of a naive method: of the model that it was measured beside
    split: Split
    method: Method
    evaluated_on: date
    first_attempt_on: date
    last_attempt_on: date
    learners: int
    attempts: int
    auc: float  # not a number where all attempts are right, or all wrong
    log_loss: float
    ece: float
