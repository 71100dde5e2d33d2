"""How the test system writes its streams: the columns of its simulation as the fields of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.demo.arrow import named, numbers, times, zones
from ingestion.demo.assessment import EVENT_TYPES, KIND, OPTIONS, SERVER_KINDS, Assessment
from ingestion.demo.cells import Cell, members, value
from ingestion.demo.delivery import CONFLICT, FIRST
from ingestion.demo.ids import Ints, Mask, uuids
from ingestion.demo.rows import SECOND, Table, take
from ingestion.demo.world import Curriculum, Learners

_ANSWER = members(value("answer_index", "answer"))
_MOVE = members(value("from_position", "from_position"), value("to_position", "to_position"))
PAYLOADS: dict[str, str] = {
    "QUESTION_VIEWED": members(value("position", "position")),
    "NAVIGATE_NEXT": _MOVE,
    "NAVIGATE_PREV": _MOVE,
    "NAVIGATE_JUMP": _MOVE,
    "ANSWER_SELECTED": _ANSWER,
    "ANSWER_CHANGED": _ANSWER,
    "PAUSE_BLUR": members(Cell("state", "case when focus = 1 then 'focus' else 'blur' end")),
}
_CASES = " ".join(f"when {KIND[name]} then {sql}" for name, sql in PAYLOADS.items())
_PAYLOAD = f"case kind {_CASES} else '{{}}' end"
# Drift, in no contract: now and then a client says how strong its battery is.
_BATTERY = "case when seq is not null and roll % 307 = 0 then roll % 100 end"

EVENT_CELLS = (
    Cell("id", f"case when copy = {FIRST} then id else upper(id) end"),
    Cell("event_type", "event_type"),
    Cell("event_ts", "event_at", "time"),
    Cell("client_ts", "client_at", "time"),
    Cell("seq", "seq", "number"),
    Cell("session_id", "session_id"),
    Cell("user_id", "user_id"),
    Cell("question_id", "question_id"),
    Cell("source", "source"),
    value("payload_json", _PAYLOAD),
    Cell("created_at", "created_at", "time"),
)
BATCH_EVENT = members(
    Cell("event_type", "event_type"),
    Cell("client_ts", "client_at", "time"),
    Cell("seq", "seq", "number"),
    Cell("session_id", "session_id"),
    Cell("question_id", "question_id"),
    value("payload", _PAYLOAD),
    value("battery", _BATTERY),
)
BATCH_HEAD = members(Cell("source", "source"), Cell("user_id", "user_id"), Cell("received_at", "received_at", "time"))
# The events of a batch lie together: laid end to end, with the head before the first, they are the line.
BATCH_LINE = (
    f"concat(case when is_first then rtrim({BATCH_HEAD}, '}}') || ',\"events\":[' else ',' end, "
    f"{BATCH_EVENT}, case when is_last then ']}}' || chr(10) end)"
)
TEST_SESSION_CELLS = (
    Cell("session_id", "session_id"),
    Cell("user_id", "user_id"),
    Cell("created_at", "created_at", "time"),
)
SESSION_QUESTION_CELLS = (
    Cell("session_id", "session_id"),
    Cell("question_id", "question_id"),
    Cell("position", "position", "number"),
)


class AssessmentFields:
    """Turns rows of the simulation into Arrow columns with the names that the SQL above uses."""

    def __init__(self, seed: int, curriculum: Curriculum, learners: Learners, assessment: Assessment) -> None:
        """Keep what the rows refer to by number."""
        self._seed = seed
        self._questions = curriculum.question_ids
        self._learners = learners.ids
        self._assessment = assessment

    def events(self, row: Ints, copy: Ints) -> pa.Table:
        """Rows of the stream `events`: the server's own, and those that old clients sent one by one."""
        events = take(self._assessment.events, row)
        return pa.table(
            {
                **self._common(events, copy, copy == CONFLICT),
                "id": uuids(self._seed, "assessment event", row),
                "event_at": times(events["at"]),
                "created_at": times(events["at"] + (1 + events["roll"] % 900) * 1000),
            }
        )

    def sent(self, row: Ints, copy: Ints, resent: Ints) -> pa.Table:
        """Rows of the stream `batches`, batch by batch.

        Args:
            row: of `Assessment.sent`.
            copy: which copy of its batch each row belongs to. See `is_changed`.
            resent: microseconds after the first copy at which the batch was received.
        """
        sent = take(self._assessment.sent, row)
        size = len(row)
        starts = np.flatnonzero(np.diff(np.concatenate([[-1], sent["batch"] * 3 + copy])))
        is_first = np.zeros(size, dtype=np.bool_)
        is_first[starts] = True
        return pa.table(
            {
                **self._common(sent, copy, self.is_changed(row, copy)),
                "received_at": times(self._assessment.received_at[sent["batch"]] + resent),
                "is_first": pa.array(is_first),
                "is_last": pa.array(np.append(is_first[1:], True) if size else is_first),
            }
        )

    def is_changed(self, row: Ints, copy: Ints) -> Mask:
        """Which rows of `Assessment.sent` say something else than before: the first answer of a batch in conflict."""
        answers = np.flatnonzero((self._assessment.sent["answer"][row] >= 0) & (copy == CONFLICT))
        _, first_answer = np.unique(self._assessment.sent["batch"][row[answers]], return_index=True)
        is_changed = np.zeros(len(row), dtype=np.bool_)
        is_changed[answers[first_answer]] = True
        return is_changed

    def _common(self, events: Table, copy: Ints, is_changed: Mask) -> dict[str, pa.Array]:
        test, kind = events["test"], events["kind"]
        from_client = kind >= SERVER_KINDS
        clock = events["at"] + self._assessment.clock_skew[test]
        answer = np.where(is_changed, (events["answer"] + 1) % OPTIONS, events["answer"])
        return {
            "event_type": named(EVENT_TYPES, kind),
            "user_id": named(self._learners, self._assessment.learner[test]),
            "session_id": uuids(self._seed, "test", test),
            "question_id": named(self._questions, events["question"]),
            "source": named(["web", "mobile", "api"], np.where(from_client, self._assessment.is_mobile[test], 2)),
            "client_at": times(np.where(from_client, clock, -1)),
            "zone": zones(copy),
            "answer": numbers(answer),
            **{name: numbers(events[name]) for name in ("seq", "position", "from_position", "to_position")},
            **{name: pa.array(events[name]) for name in ("kind", "focus", "roll")},
            "copy": pa.array(copy),
        }

    def test_sessions(self, row: Ints, copy: Ints) -> pa.Table:
        """Rows of the stream `test_sessions`; a conflict has another time of creation."""
        created_at = self._assessment.created_at[row] + (copy == CONFLICT) * SECOND
        return pa.table(
            {
                "session_id": uuids(self._seed, "test", row),
                "user_id": named(self._learners, self._assessment.learner[row]),
                "created_at": times(created_at),
                "zone": zones(copy),
            }
        )

    def session_questions(self, row: Ints, copy: Ints) -> pa.Table:
        """Rows of the stream `session_questions`; a conflict has another position."""
        rows = take(self._assessment.test_questions, row)
        return pa.table(
            {
                "session_id": uuids(self._seed, "test", rows["test"]),
                "question_id": named(self._questions, rows["question"]),
                "position": pa.array(rows["position"] + (copy == CONFLICT)),
                "zone": zones(copy),
            }
        )
