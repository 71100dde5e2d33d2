"""Rows of extracts, written down by hand: the smallest worlds that the reference is tested on.

What belongs here: what the tests of the reference share. What does not: random histories (`tests/reference`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from tests.reference import Load, Row, build
from tests.reference.marts import NO_MODEL, SHIPPED, Funnel, Mart, Model
from tests.reference.reading import timestamp

D1, D2, D3, D4 = (date(2026, 3, day) for day in (2, 3, 4, 5))


def uid(number: int) -> str:
    """A UUID that sorts as its number does."""
    return f"abcdef00-0000-4000-8000-{number:012d}"


ANN, BEN = uid(1), uid(2)
S1, S2 = uid(11), uid(12)
Q1, Q2, Q3 = uid(21), uid(22), uid(23)
T1, T2, T3 = uid(31), uid(32), uid(33)
M1, M2 = uid(41), uid(42)
C1, C2 = uid(51), uid(52)


def at(text: str, day: date = D1) -> datetime:
    return datetime.combine(day, datetime.strptime(text, "%H:%M:%S.%f" if "." in text else "%H:%M:%S").time())


def instant(when: str) -> str:
    """`10:00:00` on the first day, or a whole timestamp."""
    return when if "-" in when else f"{D1}T{when}Z"


class Extract:
    """Rows of one or more extracts, written down one by one."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.loads: set[Load] = set()
        self.numbers = iter(range(1001, 9999))

    def add(self, system: str, stream: str, payload: dict[str, Any], day: date, file: str, reject: str | None) -> None:
        self.loads.add(Load(system, stream, day))
        events = payload.get("events", [None]) if stream == "batches" else [None]
        line = 1 + len(self.rows)
        for index in range(len(events)):
            self.rows.append(Row(system, stream, day, file, line, index, payload, reject))

    def study(
        self,
        event_type: str,
        when: str,
        session: str | None = S1,
        user: str = ANN,
        number: int | None = None,
        day: date = D1,
        file: str = "events.ndjson",
        reject: str | None = None,
        **fields: Any,
    ) -> str:
        """Add a study event; `number` is its id, where the order of ids matters."""
        references = {
            name: fields.pop(name) for name in list(fields) if name in ("material_id", "chunk_id", "topic_id")
        }
        if event_type in ("question_submit", "question_view", "ai_hint_requested", "ai_explanation_requested"):
            references["question_id"] = fields.pop("question_id", Q1)
            references.setdefault("topic_id", T1)
        if event_type.startswith("material_"):
            references.setdefault("material_id", M1)
            references.setdefault("topic_id", T1)
        if event_type == "question_submit":
            fields.setdefault("is_correct", True)
        event_id = uid(number if number is not None else next(self.numbers))
        payload = {
            "event_id": event_id,
            "event_type": event_type,
            "event_ts": instant(when),
            "user_id": user,
            "session_id": session,
            "client_ts": instant(fields.pop("client_ts")) if "client_ts" in fields else None,
            **references,
            "properties": fields,
        }
        self.add("study", "events", payload, day, file, reject)
        return event_id

    def owned(
        self, session: str = S1, user: str = ANN, questions: tuple[str, ...] = (Q1, Q2), day: date = D1, **fields: Any
    ) -> None:
        """Add the reference rows of a test session."""
        self.add(
            "assessment",
            "test_sessions",
            {"session_id": session, "user_id": user, **fields},
            day,
            "test_sessions.ndjson",
            None,
        )
        for question in questions:
            self.add(
                "assessment",
                "session_questions",
                {"session_id": session, "question_id": question},
                day,
                "session_questions.ndjson",
                None,
            )

    def test(
        self,
        event_type: str,
        when: str,
        day: date = D1,
        number: int | None = None,
        reject: str | None = None,
        **fields: Any,
    ) -> str:
        """Add an assessment event."""
        event_id = uid(number if number is not None else next(self.numbers))
        payload = {
            "id": event_id,
            "event_type": event_type,
            "event_ts": instant(when),
            "session_id": S1,
            "user_id": ANN,
            "payload_json": {"state": fields.pop("state")} if "state" in fields else None,
            **fields,
        }
        self.add("assessment", "events", payload, day, "events.ndjson", reject)
        return event_id

    def questions_on(self, day: date = D1, **topics: str | None) -> None:
        """Add a snapshot of study's questions; a keyword names the question by its constant here."""
        for name, topic in topics.items():
            document = {"question_id": {"Q1": Q1, "Q2": Q2, "Q3": Q3}[name], "topic_id": topic}
            self.add("study", "questions", document, day, "questions.ndjson", None)

    def prerequisites_on(self, day: date, *pairs: tuple[str, str]) -> None:
        """Add a snapshot of study's prerequisites: pairs of a topic and what it needs."""
        for topic, prerequisite in pairs:
            document = {"topic_id": topic, "prerequisite_topic_id": prerequisite}
            self.add("study", "topic_prerequisites", document, day, "topic_prerequisites.ndjson", None)

    def recommend(
        self,
        event: str,
        when: str,
        key: str | None = None,
        child: str = "kid",
        recommendation: str = "rec",
        day: date = D1,
        **fields: Any,
    ) -> str:
        """Add an event of a recommendation."""
        key = key or f"key-{next(self.numbers)}"
        payload = {
            "event_key": key,
            "event": event,
            "child_id": child,
            "recommendation_id": recommendation,
            "occurred_at": instant(when),
            **fields,
        }
        self.add("recommendation", "events", payload, day, "events.ndjson", None)
        return key

    def draft(self, event_type: str, when: str, draft_id: str = "draft", day: date = D1, **data: Any) -> None:
        """Add an event of a draft; `key` is its idempotency key, and it has one unless that is None."""
        payload = {
            "idempotency_key": data.pop("key", f"key-{next(self.numbers)}"),
            "event_type": event_type,
            "timestamp": instant(when),
            "data": {"draft_id": draft_id, **data},
        }
        self.add("collaboration", "events", payload, day, "events.ndjson", None)

    def textbook(self, event_type: str, when: str, day: date = D1, **payload: Any) -> None:
        """Add an event of the textbook; `key` is its id, and it has one unless that is None."""
        document = {
            "event_id": payload.pop("key", f"key-{next(self.numbers)}"),
            "event_type": event_type,
            "timestamp": instant(when),
            "payload": payload,
        }
        self.add("textbook", "events", document, day, "events.ndjson", None)

    def marts(
        self, as_of: str | None = None, funnels: Sequence[Funnel] = SHIPPED, model: Model = NO_MODEL
    ) -> dict[str, Mart]:
        return build(self.rows, self.loads, timestamp(as_of) if as_of else None, funnels, model)

    def one(self, mart: str, as_of: str | None = None, **key: Any) -> dict[str, Any]:
        """The only row of a mart with these values."""
        rows = [row for row in self.marts(as_of)[mart] if all(row[name] == value for name, value in key.items())]
        assert len(rows) == 1, rows
        return rows[0]

    def session(self, as_of: str | None = None, session_id: str = S1) -> dict[str, Any]:
        return self.one("study_sessions", as_of, session_id=session_id)
