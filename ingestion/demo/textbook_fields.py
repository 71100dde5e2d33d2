"""How the textbook writes its events: the columns of its simulation as the fields of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.demo.arrow import named, times, zones
from ingestion.demo.cells import Cell, members, pick, value
from ingestion.demo.delivery import CONFLICT
from ingestion.demo.ids import Ints, uuids
from ingestion.demo.rows import SECOND, Table, take
from ingestion.demo.textbook import CHAPTERS, EVENT_TYPES, KIND, SECTIONS
from ingestion.demo.world import Learners

BLOCKS = ("ask-question", "explain-like-10", "quiz", "diagram")
QUERIES = (
    "why do we flip the second fraction?",
    'what does "at most" mean here',
    "explain it with pizza",
    "show me the steps,\none by one",
    "my teacher nia.sample@example.org says it is 12?",
    "wie groß ist π genau",
)
ERRORS = (
    ("NetworkTimeout", "no answer from https://api.example.com/blocks?session=41f0c2 after 30 s"),
    ("RenderError", 'cannot draw "figure 3"'),
    ("QuizUnavailable", "quiz of ben.example@example.com could not be opened"),
    ("RenderError", "font missing"),
    ("could not notify ben.example@example.com", "call +1 202-555-0143"),  # no grain: becomes `other`
)

_USER = Cell("user_id", "user_id")
_CHAPTER = Cell("chapter_id", "chapter_id")
_SECTION = Cell("section_id", "section_id")
PAYLOADS: dict[str, str] = {
    "ai_block_used": members(
        _USER,
        _CHAPTER,
        _SECTION,
        # flashcards are not in the contract's list: kept, and reported as drift
        value("block_type", f"case when roll % 211 = 0 then '\"flashcards\"' else {pick(BLOCKS, 'block')} end"),
        value("query", f"case when block = 0 or roll % 3 = 0 then {pick(QUERIES, 'roll // 3')} end"),
    ),
    "chapter_visit": members(_USER, _CHAPTER),
    "error_event": members(
        value("error_type", pick([kind for kind, _ in ERRORS], "roll")),
        value("error_message", pick([message for _, message in ERRORS], "roll")),
        _CHAPTER,
        _SECTION,
    ),
}
_CASES = " ".join(f"when {KIND[name]} then {sql}" for name, sql in PAYLOADS.items())

CELLS = (
    Cell("event_type", "event_type"),
    Cell("event_id", "event_id"),
    Cell("timestamp", "happened_at", "time"),
    Cell("payload", f"case kind {_CASES} end", "json"),
    Cell("app", "case when roll % 401 = 0 then 'reader-2' end"),  # drift: in no contract
)


class TextbookFields:
    """Turns rows of the simulation into Arrow columns with the names that the SQL above uses."""

    def __init__(self, seed: int, learners: Learners, events: Table) -> None:
        """Keep what the rows refer to by number."""
        self._seed = seed
        self._events = events
        self._learners = learners.ids
        self._chapters = [f"ch-{chapter + 1:02d}" for chapter in range(CHAPTERS)]
        self._sections = [f"{chapter}.{section + 1}" for chapter in self._chapters for section in range(SECTIONS)]

    def rows(self, row: Ints, copy: Ints) -> pa.Table:
        """These rows, as these copies: a conflict happened a second later."""
        events = take(self._events, row)
        section = np.where(events["section"] < 0, -1, events["chapter"] * SECTIONS + events["section"])
        return pa.table(
            {
                "event_type": named(EVENT_TYPES, events["kind"]),
                "event_id": pc.if_else(pa.array(events["has_id"]), uuids(self._seed, "textbook event", row), None),
                "happened_at": times(events["at"] + (copy == CONFLICT) * SECOND),
                "zone": zones(copy),
                "user_id": named(self._learners, events["learner"]),
                "chapter_id": named(self._chapters, events["chapter"]),
                "section_id": named(self._sections, section),
                **{name: pa.array(events[name]) for name in ("kind", "block", "roll")},
            }
        )
