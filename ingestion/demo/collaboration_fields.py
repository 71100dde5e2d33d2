"""How shared drafts are written down: the columns of their simulation as the fields of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.demo.arrow import named, times, zones
from ingestion.demo.cells import Cell, members, value
from ingestion.demo.collaboration import EVENT_TYPES, KIND
from ingestion.demo.delivery import CONFLICT
from ingestion.demo.ids import Ints, uuids
from ingestion.demo.rows import SECOND, Table, take
from ingestion.demo.world import Learners

ALIAS = "DraftPublishedEvent"  # every second one is published under this name

_DRAFT = Cell("draft_id", "draft_id")
_VIEW = members(
    _DRAFT,
    Cell("user_id", "user_id"),
    value("scrolled", "case when roll % 211 = 0 then roll % 100 end"),  # drift: in no contract
)
DATA: dict[str, str] = {
    "DraftCreated": members(_DRAFT, Cell("creator_id", "user_id")),
    "DraftViewed": _VIEW,
    "DraftShared": members(_DRAFT, Cell("user_id", "user_id")),
    "SegmentAdded": members(_DRAFT, Cell("segment_id", "segment_id"), Cell("contributor_id", "user_id")),
    "RINGPassed": members(_DRAFT, Cell("from_user_id", "user_id"), Cell("to_user_id", "other_id")),
    "DraftPublished": members(_DRAFT, Cell("publisher_id", "user_id")),
}
_CASES = " ".join(f"when {KIND[name]} then {sql}" for name, sql in DATA.items())

CELLS = (
    Cell("event_type", "event_type"),
    Cell("idempotency_key", "idempotency_key"),
    Cell("timestamp", "happened_at", "time"),
    Cell("data", f"case kind {_CASES} end", "json"),
)


class CollaborationFields:
    """Turns rows of the simulation into Arrow columns with the names that the SQL above uses."""

    def __init__(self, seed: int, learners: Learners, events: Table) -> None:
        """Keep what the rows refer to by number."""
        self._seed = seed
        self._events = events
        self._learners = learners.ids

    def rows(self, row: Ints, copy: Ints) -> pa.Table:
        """These rows, as these copies: a conflict happened a second later."""
        events = take(self._events, row)
        is_alias = (events["kind"] == KIND["DraftPublished"]) & (events["roll"] % 2 == 0)
        return pa.table(
            {
                "event_type": named([*EVENT_TYPES, ALIAS], np.where(is_alias, len(EVENT_TYPES), events["kind"])),
                "idempotency_key": pc.if_else(
                    pa.array(events["has_key"]), uuids(self._seed, "collaboration event", row), None
                ),
                "happened_at": times(events["at"] + (copy == CONFLICT) * SECOND),
                "zone": zones(copy),
                "draft_id": uuids(self._seed, "draft", events["session"]),
                "segment_id": uuids(self._seed, "segment", row),
                "user_id": named(self._learners, events["user"]),
                "other_id": named(self._learners, events["other"]),
                **{name: pa.array(events[name]) for name in ("kind", "roll")},
            }
        )
