from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from ingestion.extracts import discover
from ingestion.home import Home
from ingestion.load import load_extract
from orchestration.partitions import DateRange, build_extract_dates


def deliver(home: Home, day: str) -> Path:
    file = home.landing / "study" / day / "events.ndjson"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def test_they_begin_with_the_oldest_extract_and_go_on_to_today(tmp_path: Path) -> None:
    home = Home(tmp_path)
    deliver(home, "2026-03-02")
    assert DateRange.of(build_extract_dates(home)) == DateRange(date(2026, 3, 2), datetime.now(UTC).date())


def test_what_was_loaded_counts_when_landing_is_emptied(tmp_path: Path) -> None:
    home = Home(tmp_path)
    old = deliver(home, "2026-03-02")
    load_extract(home, discover(home).extracts[0])
    old.unlink()
    deliver(home, "2026-03-04")
    assert DateRange.of(build_extract_dates(home)).first == date(2026, 3, 2)


def test_they_go_on_to_the_newest_extract(tmp_path: Path) -> None:
    home = Home(tmp_path)
    deliver(home, "2126-03-02")
    assert date(2126, 3, 2) in DateRange.of(build_extract_dates(home))


def test_where_nothing_lies_any_date_may_come(tmp_path: Path) -> None:
    assert date(2001, 1, 1) in DateRange.of(build_extract_dates(Home(tmp_path)))


def test_a_server_starts_without_its_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No date is lost by it: every day that can come is a partition until the definitions load anew."""
    home = Home(tmp_path)
    options = "{endpoint: 'http://127.0.0.1:1', allow_http: true, skip_signature: true, region: us-east-1}"
    home.sources.write_text(f"landing: {{url: s3://bucket/x, retries: 0, options: {options}}}")
    monkeypatch.delenv("DAYBOOK_LANDING", raising=False)
    dates = DateRange.of(build_extract_dates(home))
    assert (dates.first, dates.last) == (date(2000, 1, 1), datetime.now(UTC).date())
    assert caplog.messages == [
        "s3://bucket/x: the store cannot be reached; every day from 2000-01-01 on is a partition"
    ]
