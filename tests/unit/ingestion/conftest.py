"""A home with a landing zone to put extracts into."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.home import Home
from ingestion.lake import attach_lake
from ingestion.ledger import Load
from ingestion.load import Loader, pending

Put = Callable[..., Path]
Query = Callable[[str], list[tuple[Any, ...]]]

USERS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(1, 4)]


def event(number: int, user: int = 0, **changes: Any) -> dict[str, Any]:
    """A valid study event; changes with the value ... take a field away."""
    fields: dict[str, Any] = {
        "event_id": f"10000000-0000-4000-8000-{number:012d}",
        "event_type": "topic_explored",
        "event_ts": f"2025-01-02T{number // 60 % 24:02d}:{number % 60:02d}:00Z",
        "user_id": USERS[user],
        "topic_id": "20000000-0000-4000-8000-000000000001",
        "properties": {"topic_name": "fractions"},
    }
    return {name: value for name, value in (fields | changes).items() if value is not ...}


def ndjson(*rows: dict[str, Any] | str) -> bytes:
    """Rows as lines; a text goes in as it is."""
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def load_all(home: Home) -> list[Load]:
    """Load whatever is new or changed; none may fail."""
    with Loader(home) as loader:
        outcomes = [outcome for _, outcome in loader.load_all(pending(home))]
    loads = [outcome for outcome in outcomes if isinstance(outcome, Load)]
    assert loads == outcomes
    return loads


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home, under a name that needs care in paths, URIs and SQL."""
    return Home(tmp_path / "it's a höme #1 [x]")


@pytest.fixture
def put(home: Home) -> Put:
    """Put a file into the landing zone: its place in it, and its content."""

    def put(place: str, content: bytes) -> Path:
        path = home.landing / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    return put


@pytest.fixture
def query(home: Home) -> Query:
    """Ask the lake's views."""

    def query(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect() as con:
            attach_lake(con, home)
            return con.execute(sql).fetchall()

    return query
