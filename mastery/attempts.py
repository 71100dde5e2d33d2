"""Question attempts as columns, in the order in which learners made them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Of the learners that are not held out, each belongs to one part; what is known of questions is learned on the others.
FOLDS = 5
# A learner is held out if the first 8 hex digits of the id's MD5 are a number divisible by this.
HELD_OUT_EVERY = 5


@dataclass(frozen=True)
class Attempts:
    """One entry an attempt, by (learner, time, attempt id).

    `learner`, `topic` and `question` are positions in `learner_ids`, `topic_ids` and `question_ids`, which are sorted.
    """

    learner_ids: list[str]
    topic_ids: list[str]
    question_ids: list[str]
    learner: Ints
    topic: Ints
    question: Ints
    at: Ints  # microseconds since 1970
    is_correct: Mask
    hint_used: Mask
    is_held_out: Mask
    fold: Ints

    def __len__(self) -> int:
        """How many attempts there are."""
        return len(self.learner)

    def of(self, chosen: Mask) -> Attempts:
        """The chosen attempts; whole learners, or their later attempts would miss the earlier ones."""
        columns = ("learner", "topic", "question", "at", "is_correct", "hint_used", "is_held_out", "fold")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})


def read_attempts(con: duckdb.DuckDBPyConnection, relation: str = "marts.question_attempts") -> Attempts:
    """Read attempts from a relation with the columns of the mart `question_attempts`."""
    ids = {
        column: [str(id_) for (id_,) in con.execute(f"select distinct {column} from {relation} order by 1").fetchall()]
        for column in ("user_id", "topic_id", "question_id")
    }
    columns: dict[str, Any] = con.execute(
        f"""
        with coded as (
            select
                dense_rank() over (order by user_id) - 1 as learner,
                dense_rank() over (order by topic_id) - 1 as topic,
                dense_rank() over (order by question_id) - 1 as question,
                md5(user_id) as hash,
                epoch_us(attempted_at) as "at",
                attempt_id, is_correct, hint_used
            from {relation}
        )
        select
            learner, topic, question, "at", is_correct, hint_used,
            cast('0x' || hash[1:8] as bigint) % {HELD_OUT_EVERY} = 0 as is_held_out,
            cast('0x' || hash[9:16] as bigint) % {FOLDS} as fold
        from coded
        order by learner, "at", attempt_id
        """
    ).fetchnumpy()

    def whole(name: str) -> Ints:
        return np.asarray(columns[name], dtype=np.int64)

    def mask(name: str) -> Mask:
        return np.asarray(columns[name], dtype=np.bool_)

    return Attempts(
        learner_ids=ids["user_id"],
        topic_ids=ids["topic_id"],
        question_ids=ids["question_id"],
        learner=whole("learner"),
        topic=whole("topic"),
        question=whole("question"),
        at=whole("at"),
        is_correct=mask("is_correct"),
        hint_used=mask("hint_used"),
        is_held_out=mask("is_held_out"),
        fold=whole("fold"),
    )


def date_of(microseconds: np.int64) -> date:
    """The UTC date of a time in microseconds since 1970."""
    return datetime.fromtimestamp(int(microseconds) // 1_000_000, tz=UTC).date()
