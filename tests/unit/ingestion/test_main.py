"""What the commands of the lake print."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ingestion.__main__ import main
from ingestion.home import Home
from ingestion.lake import attach_lake
from ingestion.ledger import active_loads

PERSON = "00000000-0000-4000-8000-000000000001"
EVENT = (
    json.dumps(
        {
            "event_id": "00000000-0000-4000-8000-000000000002",
            "event_type": "search_performed",
            "event_ts": "2026-03-01T10:00:00Z",
            "user_id": PERSON,
            "properties": {"search_type": "keyword"},
        }
    )
    + "\n"
)


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


def test_dates_that_are_the_wrong_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["load", "--from", "2026-03-02", "--to", "2026-03-01"])
    assert "--from 2026-03-02 is later than --to 2026-03-01" in capsys.readouterr().err


def test_a_name_that_says_who_somebody_is_is_not_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(home, "", "kim@example.org.txt")
    main(["status"])
    told = capsys.readouterr().out
    assert "not read: study/2026-03-01/[email]" in told
    main(["load"])
    assert "kim" not in told + "".join(capsys.readouterr())


def test_what_came_by_mistake_is_withdrawn(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing undid a folder with a wrong date: its date stayed in the lake for ever, and as-of with it."""
    deliver(home, EVENT)
    mistake = home / "landing" / "study" / "2026-03-09" / "events.ndjson"
    mistake.parent.mkdir()
    mistake.write_text(f"{EVENT}torn\n")
    main(["load"])
    before = active_loads(Home(home))
    assert len(before) == 2
    capsys.readouterr()

    assert main(["withdraw", "study", "2026-03-09"]) == 1
    assert "study/2026-03-09/events: still lies in the landing zone" in capsys.readouterr().out
    assert active_loads(Home(home)) == before

    mistake.unlink()
    assert main(["withdraw", "study", "2026-03-09", "events"]) == 0
    told = capsys.readouterr().out
    assert told == "study/2026-03-09/events: withdrawn: 2 rows read, 1 valid, 1 rejected, 0 erased\n"
    assert list(active_loads(Home(home))) == [("study", "events", date(2026, 3, 1))]
    with duckdb.connect() as con:
        attach_lake(con, Home(home))
        assert con.execute("select extract_date from lake.raw.study_events").fetchall() == [(date(2026, 3, 1),)]
        assert con.execute("from lake.raw.quarantine").fetchall() == []
    assert main(["verify"]) == 0
    assert main(["withdraw", "study", "2026-03-09"]) == 1
    assert capsys.readouterr().out.endswith("study/2026-03-09: not in the lake\n")

    mistake.write_text(EVENT)
    assert main(["load"]) == 0
    assert len(active_loads(Home(home))) == 2


def test_erase_tells_what_was_erased(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(home, EVENT)
    main(["load"])
    capsys.readouterr()
    main(["erase", "nobody"])
    assert capsys.readouterr().out == "no row of this id is in the lake; it is kept out of later deliveries\n"
    main(["erase", PERSON])
    assert "1 row of 1 date erased" in capsys.readouterr().out
