"""What the commands of the lake print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ingestion.__main__ import main

PERSON = "00000000-0000-4000-8000-000000000001"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path))
    return tmp_path


def deliver(home: Path, content: str, name: str = "events.ndjson") -> Path:
    file = home / "landing" / "study" / "2026-03-01" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def test_status_tells_the_last_failure_while_the_extract_waits(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = deliver(home, "not gzip", "events.ndjson.gz")
    assert (main(["load"]), main(["load"])) == (1, 1)
    capsys.readouterr()
    main(["status"])
    assert capsys.readouterr().out.count("failed: study/2026-03-01/events.ndjson.gz") == 1
    broken.unlink()
    main(["status"])
    assert "failed" not in capsys.readouterr().out


def test_status_tells_what_lies_in_the_wrong_place(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(12):
        deliver(home, "", f"note{number:02}.txt")
    main(["status"])
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not read: ")]
    assert told[0] == "not read: study/2026-03-01/note00.txt: not the name of an extract file"
    assert (len(told), told[-1]) == (11, "not read: 2 more")


def test_erase_tells_what_was_erased(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    event = {
        "event_id": "00000000-0000-4000-8000-000000000002",
        "event_type": "search_performed",
        "event_ts": "2026-03-01T10:00:00Z",
        "user_id": PERSON,
        "properties": {"search_type": "keyword"},
    }
    deliver(home, json.dumps(event) + "\n")
    main(["load"])
    capsys.readouterr()
    main(["erase", "nobody"])
    assert capsys.readouterr().out == "no row of this id is in the lake; it is kept out of later deliveries\n"
    main(["erase", PERSON])
    assert "1 row of 1 date erased" in capsys.readouterr().out
