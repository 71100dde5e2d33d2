"""How the home screen writes its events: the columns of its simulation as the fields of the contract."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.demo.arrow import named, numbers, times, zones
from ingestion.demo.cells import Cell, members, pick, value
from ingestion.demo.delivery import CONFLICT
from ingestion.demo.ids import Ints, uuids
from ingestion.demo.recommendation import EVENT_TYPES, RECOMMENDATIONS
from ingestion.demo.rows import Table, take
from ingestion.demo.world import Learners

SEPARATORS = (":", "-", "_", "|")
_JOINED = "concat(child_id, separator, event, separator, recommendation_id)"
_KEY = f"""case when form is null then own_key when form < 4 then {_JOINED}
    when form < 8 then md5({_JOINED}) else sha1({_JOINED}) end"""

CELLS = (
    Cell("event_key", _KEY),
    Cell("event_order", "event_order", "number"),
    Cell("event", "event"),
    Cell("child_id", "child_id"),
    Cell("recommendation_id", "recommendation_id"),
    Cell("occurred_at", "happened_at", "time"),
    Cell(
        "metadata",
        members(
            value("position", "position"),
            value("surface", pick(["home", "home", "end_of_lesson"], "session")),
            value("recommendation_type", pick(["story", "exercise", "video"], "recommendation")),
            value("shelf", "case when roll % 307 = 0 then '\"new\"' end"),  # drift: in no contract
        ),
        "json",
    ),
)


class RecommendationFields:
    """Turns rows of the simulation into Arrow columns with the names that the SQL above uses."""

    def __init__(self, seed: int, learners: Learners, events: Table) -> None:
        """Keep what the rows refer to by number."""
        self._seed = seed
        self._events = events
        self._learners = learners.ids
        self._recommendations = [f"rec-{number:03d}" for number in range(RECOMMENDATIONS)]

    def rows(self, row: Ints, copy: Ints) -> pa.Table:
        """These rows, as these copies: a conflict has another position."""
        events = take(self._events, row)
        return pa.table(
            {
                "own_key": uuids(self._seed, "recommendation event", row),
                "separator": named(SEPARATORS, np.where(events["form"] < 0, -1, events["form"] % len(SEPARATORS))),
                "form": numbers(events["form"]),
                "event_order": numbers(events["order"]),
                "event": named(EVENT_TYPES, events["kind"]),
                "child_id": named(self._learners, events["learner"]),
                "recommendation_id": named(self._recommendations, events["recommendation"]),
                "happened_at": times(events["at"]),
                "zone": zones(copy),
                "position": pa.array(events["position"] + (copy == CONFLICT)),
                **{name: pa.array(events[name]) for name in ("recommendation", "session", "roll")},
            }
        )
