"""Alerts on what is delivered: silent where all is well, and each told by its own check where it is not.

Their limits are in `test_alert_limits`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from ingestion.extracts import ExtractError
from ingestion.load import Loader, pending
from tests.integration.extracts import USER, put, study_event
from tests.integration.warehouse import Warehouse

WORST = date(2026, 1, 13)  # a Tuesday
# The week before it and that Monday; of the three weeks before those, Mondays and Tuesdays, for volumes go by weekday.
DATES = sorted(
    {WORST - timedelta(days=n) for n in range(9)}
    | {WORST - timedelta(days=7 * week + n) for week in (2, 3, 4) for n in (0, 1)}
)
SESSION = "30000000-0000-4000-8000-{:012d}"
ALERTS = {
    "rejection_rate_alert",
    "failed_loads_alert",
    "delivery_lag_alert",
    "batch_size_alert",
    "missing_seq_alert",
    "clock_skew_alert",
    "clock_ahead_alert",
    "late_rate_alert",
    "volume_alert",
    "source_volume_alert",
    "event_type_volume_alert",
    "rejections_alert",
    "filled_fields_alert",
    "reported_attempts_drift",
    "reported_xp_drift",
}


def study(warehouse: Warehouse, day: date) -> None:
    """Sixty-two events, of clocks that are right, one of the day before.

    Twenty topics explored; twenty searches; twenty first attempts, each at a question of its own; two rewards of ten
    points, to totals that go on from the date before.
    """
    explored = [study_event(day, n, "topic_explored", n - 1440 * (n == 0), topic_id=USER) for n in range(20)]
    searches = [study_event(day, 20 + n, "search_performed", 20 + n) for n in range(20)]
    total = 20 * DATES.index(day)
    put(
        warehouse,
        "study",
        day,
        "events",
        [
            *explored,
            *searches,
            *(attempt(day, n, attempt_number=1, is_first_attempt=True) for n in range(20)),
            *(reward(day, n, total + 10 * n) for n in (1, 2)),
        ],
    )


def attempt(day: date, number: int, **reported: Any) -> dict[str, Any]:
    question = f"50000000-0000-4000-8000-{day:%y%m%d}{number:06d}"
    properties = {"is_correct": True, **reported}
    return study_event(
        day, 40 + number, "question_submit", 40 + number, question_id=question, topic_id=USER, properties=properties
    )


def reward(day: date, number: int, total: int) -> dict[str, Any]:
    return study_event(day, 60 + number, "xp_earned", 60 + number, properties={"xp_amount": 10, "new_total_xp": total})


def study_gone_wrong(warehouse: Warehouse, day: date) -> None:
    """Sixty-two events again, with all that can drift.

    Late: 6 of 50 accepted ones, after dates of 1 in 62. Rejected: 12 attempts whose `hint_used` is a text now, which it
    was of no row before. No search, after 20 on each date. Of the 50, 32 have a clock six minutes ahead. Two of the 8
    attempts that are left are second ones by the app's account, and the total moves by 15 for a reward of 10.
    """
    explored = [study_event(day, n, "topic_explored", n - 1440 * (n < 6), topic_id=USER) for n in range(40)]
    for event in explored[:32]:
        event["client_ts"] = (datetime.fromisoformat(event["event_ts"]) + timedelta(minutes=6)).isoformat()
    put(
        warehouse,
        "study",
        day,
        "events",
        [
            *explored,
            *(attempt(day, n, attempt_number=1 + (n < 2), is_first_attempt=True) for n in range(8)),
            *(attempt(day, n, hint_used="yes") for n in range(8, 20)),
            *(reward(day, n, 1000 + 15 * n) for n in (1, 2)),
        ],
    )


def textbook(warehouse: Warehouse, day: date, with_ids: bool = True) -> None:
    """Fifty visits of a chapter; without an id each has a hash for one."""
    start = datetime.combine(day, datetime.min.time(), UTC)
    put(
        warehouse,
        "textbook",
        day,
        "events",
        (
            {
                **({"event_id": f"visit-{day}-{n}"} if with_ids else {}),
                "event_type": "chapter_visit",
                "timestamp": (start + timedelta(minutes=n)).isoformat(),
                "payload": {"user_id": USER, "chapter_id": "chapter-1"},
            }
            for n in range(50)
        ),
    )


def recommendations(warehouse: Warehouse, day: date, number: int) -> None:
    """So many recommendations shown."""
    start = datetime.combine(day, datetime.min.time(), UTC)
    put(
        warehouse,
        "recommendation",
        day,
        "events",
        (
            {
                "event_key": f"shown-{day}-{n}",
                "event": "impression",
                "occurred_at": (start + timedelta(minutes=n)).isoformat(),
                "child_id": "child-1",
                "recommendation_id": "recommendation-1",
            }
            for n in range(number)
        ),
    )


def batches(warehouse: Warehouse, day: date, seqs: list[list[int]], delay: timedelta) -> None:
    """Batches of one session, each received so long after its newest event by the client's clock."""
    session = SESSION.format(DATES.index(day))
    start = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=10)
    put(warehouse, "assessment", day, "test_sessions", [{"session_id": session, "user_id": USER}])
    documents = []
    for batch in seqs:
        events = [
            {
                "event_type": "NAVIGATE_NEXT",
                "client_ts": (start + timedelta(seconds=n)).isoformat(),
                "seq": n,
                "session_id": session,
            }
            for n in batch
        ]
        received_at = start + timedelta(seconds=max(batch)) + delay
        documents.append({"source": "web", "user_id": USER, "received_at": received_at.isoformat(), "events": events})
    put(warehouse, "assessment", day, "batches", documents)


def lifecycle(day: date, number: int, source: str, lag: timedelta) -> dict[str, Any]:
    """An event that the server wrote, and had so long after it happened."""
    at = datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=9, minutes=number)
    return {
        "id": f"40000000-0000-4000-8000-{day:%y%m%d}{number:06d}",
        "event_type": "SESSION_CREATED",
        "event_ts": at.isoformat(),
        "created_at": (at + lag).isoformat(),
        "session_id": SESSION.format(DATES.index(day)),
        "user_id": USER,
        "source": source,
    }


def statuses(warehouse: Warehouse) -> dict[str, str]:
    """What each alert says of the extracts that lie there, after a night."""
    with Loader(warehouse.home) as loader:
        failed = [
            outcome for _, outcome in loader.load_all(pending(warehouse.home)) if isinstance(outcome, ExtractError)
        ]
    assert len(failed) <= 1
    warehouse.build()
    return of_alerts(warehouse.dbt("test", "--select", *sorted(ALERTS)))


def statuses_as_of(warehouse: Warehouse, as_of: datetime) -> dict[str, str]:
    """What they say as of another instant; nothing else that they look at depends on it."""
    with duckdb.connect(warehouse.home.warehouse) as con:
        con.execute("update intermediate.int_as_of set as_of = ?", [as_of])
    return of_alerts(warehouse.dbt("test", "--select", *sorted(ALERTS)))


def of_alerts(told: dict[str, str]) -> dict[str, str]:
    assert told.keys() >= ALERTS
    return {alert: told[alert] for alert in ALERTS}


def test_alerts_warn_of_what_is_wrong_and_of_nothing_else(tmp_path: Path) -> None:
    """On the last date all goes wrong.

    In the study app, as `study_gone_wrong` says. Assessment: 2 of 5 rows rejected; a client's clock 6 minutes behind
    what the batches say (300 s is the limit); batches of 1.5 events; numbers 1, 2 and 9 seen, six missing; an event had
    16 minutes after it happened by the server's clock; none from `mobile`, where there were ten on each date. Of the
    textbook no event has an id any more, recommendations are empty after ten rows on each date. And one of less than a
    hundred loads failed.
    """
    warehouse = Warehouse(tmp_path / "home", target=tmp_path / "target")
    for day in DATES[:-1]:
        study(warehouse, day)
        textbook(warehouse, day)
        recommendations(warehouse, day, 10)
        batches(warehouse, day, [[1, 2, 3], [4, 5]], timedelta(minutes=4))
        put(
            warehouse,
            "assessment",
            day,
            "events",
            [lifecycle(day, n, "mobile", timedelta(minutes=1)) for n in range(10)],
        )
    # A date that was loaded before, with far more rows, counts as it was delivered last.
    recommendations(warehouse, DATES[-2], 500)
    warehouse.load()
    recommendations(warehouse, DATES[-2], 10)
    assert set(statuses(warehouse).values()) == {"pass"}

    study_gone_wrong(warehouse, WORST)
    textbook(warehouse, WORST, with_ids=False)
    recommendations(warehouse, WORST, 0)
    batches(warehouse, WORST, [[1, 2], [9]], timedelta(minutes=6))
    lagging = lifecycle(WORST, 0, "api", timedelta(minutes=16))
    put(warehouse, "assessment", WORST, "events", [lagging, *[{"event_type": "nope", "source": "web"}] * 2])
    broken = warehouse.home.landing / "collaboration" / WORST.isoformat() / "events.ndjson.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"not gzip at all")
    assert statuses(warehouse) == dict.fromkeys(ALERTS, "warn")

    # An alert stands for the seven extract dates before as-of. It had no upper bound, so that a night of old told of
    # what came after it, and in the middle of a day it looked at eight dates.
    start = datetime.combine(WORST, datetime.min.time())
    silent = dict.fromkeys(ALERTS, "pass") | {"failed_loads_alert": "warn"}  # which looks at loads, not at dates
    assert statuses_as_of(warehouse, start) == silent
    assert statuses_as_of(warehouse, start + timedelta(days=7)) == dict.fromkeys(ALERTS, "warn")
    assert statuses_as_of(warehouse, start + timedelta(days=7, microseconds=1)) == silent
