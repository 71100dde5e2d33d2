"""What an engine needs before a dbt run, and what it leaves: what Spark hands over becomes the file of the marts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ingestion.home import Home
from orchestration.engines import DuckDB, Spark
from orchestration.manifest import PROJECT_DIR, prepare
from orchestration.resources import dbt_executable
from orchestration.spark import findings_of, mart_folder

HANDED_OVER = "select 1 as id union all select 2"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    Spark().prepare(home)
    return home


def manifest(*names: str) -> dict[str, Any]:
    columns = {"id": {"name": "id", "description": "The learner's number."}}
    return {
        "nodes": {
            f"model.daybook.{name}": {
                "unique_id": f"model.daybook.{name}",
                "resource_type": "model",
                "schema": "marts",
                "name": name,
                "description": f"One row of {name}.",
                "columns": columns,
            }
            for name in names
        }
    }


def hand_over(home: Home, *names: str) -> None:
    for name in names:
        mart_folder(home, name).mkdir(parents=True, exist_ok=True)
        duckdb.execute(f"copy ({HANDED_OVER}) to '{mart_folder(home, name)}/part-0.parquet'")
    findings_of(home).write_text(json.dumps({f"model.daybook.{name}": {"rows": 2} for name in names}))


def marts(home: Home) -> dict[str, int]:
    with duckdb.connect(str(home.marts), read_only=True) as con:
        names = con.execute("select table_name from duckdb_tables() where schema_name = 'marts' order by 1").fetchall()
        return {name: len(con.execute(f"from marts.{name}").fetchall()) for (name,) in names}


def test_descriptions_are_on_tables_and_columns(home: Home) -> None:
    hand_over(home, "visits")
    Spark().collect(home, manifest("visits"))
    with duckdb.connect(str(home.marts), read_only=True) as con:
        assert con.execute("select comment from duckdb_tables()").fetchall() == [("One row of visits.",)]
        assert con.execute("select comment from duckdb_columns() where schema_name = 'marts'").fetchall() == [
            ("The learner's number.",)
        ]


def test_a_run_of_some_models_leaves_the_other_marts_as_they_were(home: Home) -> None:
    with duckdb.connect(str(home.marts)) as con:
        con.execute("create schema marts; create table marts.visits as select range as id from range(7)")
        con.execute("create schema keyed; create table keyed.builds as select 1 as batch")
    hand_over(home, "answers")
    Spark().collect(home, manifest("answers", "visits"))
    assert marts(home) == {"answers": 2, "visits": 7}
    with duckdb.connect(str(home.marts), read_only=True) as con:  # DuckDB's books are not of these tables any more
        assert con.execute("select 1 from duckdb_tables() where schema_name = 'keyed'").fetchall() == []


def test_what_an_earlier_run_handed_over_is_not_taken_again(home: Home) -> None:
    """A kill in mid hand-over leaves an empty folder, and a run that skips the mart does not mend it."""
    hand_over(home, "visits")
    mart_folder(home, "answers").mkdir(parents=True)
    duckdb.execute(f"copy ({HANDED_OVER}) to '{mart_folder(home, 'answers')}/part-0.parquet'")
    mart_folder(home, "torn").mkdir()
    Spark().collect(home, manifest("answers", "torn", "visits"))
    assert marts(home) == {"visits": 2}


def test_a_run_that_did_not_come_so_far_changes_nothing(home: Home) -> None:
    hand_over(home, "visits")
    Spark().collect(home, manifest("visits"))
    Spark().prepare(home)
    Spark().collect(home, manifest("visits"))
    assert marts(home) == {"visits": 2}


def test_nothing_of_it_is_left_when_the_models_are_dropped(home: Home) -> None:
    """An erasure relies on it: a collect that died left its file in the work folder, with the person in it."""
    hand_over(home, "visits")
    mart_folder(home, "visits").joinpath("part-0.parquet").write_bytes(b"torn")
    with pytest.raises(duckdb.Error):
        Spark().collect(home, manifest("visits"))
    home.drop_models()
    assert [path for path in home.work.iterdir() if path != home.writer_lock] == []


def test_what_the_definitions_have_parsed_is_parsed_for_every_home(tmp_path: Path) -> None:
    """Else dbt parses all again where its folder is empty, and where the database is another file."""
    prepare()
    home = Home(tmp_path / "home")
    DuckDB().prepare(home)
    command = [dbt_executable(), "--log-level-file", "none", "parse"]
    command += ["--target-path", str(DuckDB().artifacts(home))]

    def parse() -> str:
        environment = {**os.environ, "DAYBOOK_HOME": str(home.root), "DAYBOOK_ENGINE": "duckdb"}
        return subprocess.run(
            command, cwd=PROJECT_DIR, env=environment, capture_output=True, text=True, check=True
        ).stdout

    told = parse()
    assert "Running with dbt" in told
    assert "partial parsing" not in told  # of which it tells only that it could not

    # A process that was killed has copied half of it.
    parsed = DuckDB().artifacts(home) / "partial_parse.msgpack"
    whole = parsed.stat().st_size
    os.truncate(parsed, whole // 3)
    DuckDB().prepare(home)
    parse()
    assert parsed.stat().st_size > 0.9 * whole
