from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion import demo
from ingestion.home import Home
from ingestion.load import load_extract, pending
from orchestration.nightly import mastery, nightly, outlook_of
from orchestration.planning import Outlook


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose demo is a small one."""
    generate = demo.generate
    monkeypatch.setattr(demo, "generate", lambda home: generate(home, learners=2, days=2))
    return Home(tmp_path)


def test_an_empty_home_gets_a_demo(home: Home) -> None:
    """Folders alone are empty too: one that was made for a first extract ended in a traceback."""
    (home.landing / "study" / "2026-01-06").mkdir(parents=True)
    outlook = outlook_of(home)
    assert outlook is not None
    assert {extract.system for extract in outlook.pending} == {
        "study", "assessment", "recommendation", "collaboration", "textbook",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Study/2026-01-06/events.ndjson", "study/2026-01-06/event.ndjson", "notes.txt"])
def test_files_that_are_no_extracts_are_told(home: Home, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Demo rows were written beside them, into the user's own landing."""
    file = home.landing / name
    file.parent.mkdir(parents=True)
    file.touch()
    assert outlook_of(home) is None
    told, found = capsys.readouterr().out.splitlines()
    assert told.startswith("not read: ")
    assert found.startswith(f"no extract found in {home.landing}/")
    assert [path for path in home.landing.rglob("*") if path.is_file()] == [file]


def test_a_lake_with_loads_has_a_night_without_news(home: Home) -> None:
    folder = home.landing / "textbook" / "2026-01-06"
    folder.mkdir(parents=True)
    visit = {"event_type": "chapter_visit", "timestamp": "2026-01-06T10:00:00Z"}
    (folder / "events.ndjson").write_text(json.dumps(visit | {"payload": {"user_id": "u", "chapter_id": "c"}}) + "\n")
    load_extract(home, pending(home)[0])
    (folder / "events.ndjson").rename(folder / "event.ndjson")
    outlook = outlook_of(home)
    assert outlook is not None
    assert (list(outlook.pending), len(outlook.loads), len(outlook.warnings)) == ([], 1, 1)


@pytest.mark.found("fresh eyes")
@pytest.mark.parametrize("left", ["published/daybook.duckdb", "secret.key"])
def test_no_demo_beside_what_is_left_of_a_home(home: Home, left: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the lake's disk not mounted, demo rows came into a home of real ones, and would have been published."""
    file = home.root / left
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    assert outlook_of(home) is None
    assert "is empty, and this home is not: is a disk missing?" in capsys.readouterr().out
    assert not home.landing.exists()


@pytest.mark.found("fresh eyes")
@pytest.mark.parametrize("said_in", ["sources.yaml", "DAYBOOK_LAKE"])
def test_no_demo_where_sources_are_configured(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said_in: str
) -> None:
    """Demo rows would have come into a team's lake, in its bucket. Of the bucket nothing is asked here."""
    monkeypatch.setattr("orchestration.nightly.look", lambda home: Outlook([], [], []))
    if said_in == "DAYBOOK_LAKE":
        monkeypatch.setenv("DAYBOOK_LAKE", "s3://acme-lake/daybook")
    else:
        home.sources.write_text("study: {events: {kind: files}}\n")
    assert outlook_of(home) is None
    assert f"no extract found in {home.landing}/" in capsys.readouterr().out
    assert not home.landing.exists()


def test_what_builds_from_the_lake_alone_needs_no_password_of_a_database(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A night says which variable is missing before anything is done; who fits a model has no use for it."""
    monkeypatch.delenv("APP_URL", raising=False)
    home.sources.write_text("study:\n  topics: {kind: database, url: '${APP_URL}', table: topics}\n")
    assert nightly(home) == 2
    assert capsys.readouterr().out == "sources.yaml:2: study.topics: the environment has no variable APP_URL\n"
    assert [path.name for path in home.root.iterdir()] == ["sources.yaml"]
    assert mastery(home) == 2
    assert "there are no attempts to fit a model on" in capsys.readouterr().out
