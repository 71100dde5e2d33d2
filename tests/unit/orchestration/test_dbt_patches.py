"""That dbt says and does the same without what it does in vain. That it builds the same, all tests of builds see."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import agate
import duckdb
import pytest
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.adapters.duckdb.environments.local import LocalEnvironment
from dbt.clients.jinja import MacroGenerator, get_rendered
from dbt.context.base import BaseContext
from dbt.context.macros import MacroNamespace
from dbt_common.clients import agate_helper
from dbt_common.clients.jinja import get_environment
from dbt_common.events import event_manager_client
from dbt_common.events.base_types import EventLevel
from dbt_common.events.event_manager_client import add_logger_to_manager
from dbt_common.events.functions import fire_event
from dbt_common.events.logger import LoggerConfig, _TextLogger
from dbt_common.events.types import Note
from dbt_common.exceptions import UndefinedMacroError

from orchestration.dbt_patches import drop_unheard_messages, save_time

save_time()


def test_a_message_is_put_into_words_when_it_is_looked_at() -> None:
    note = Note(msg="a fact")
    assert "pb_msg" not in vars(note)
    assert note.message() == "a fact"
    note.msg = "another"
    assert (note.msg, note.to_dict()) == ("another", {"msg": "another"})
    with pytest.raises(AttributeError):
        _ = note.nothing


def test_dbt_tells_debug_messages_to_a_logger_that_shows_them_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """And everything else to each."""
    spelled = []
    monkeypatch.setattr(
        _TextLogger, "write_line", lambda logger, message: spelled.append((logger.name, message.info.msg))
    )
    monkeypatch.setattr(event_manager_client, "_EVENT_MANAGER", None)
    drop_unheard_messages()
    add_logger_to_manager(LoggerConfig("info", level=EventLevel.INFO))
    fire_event(Note(msg="a detail"), level=EventLevel.DEBUG)
    fire_event(Note(msg="a fact"), level=EventLevel.INFO)
    add_logger_to_manager(LoggerConfig("debug", level=EventLevel.DEBUG))
    fire_event(Note(msg="another detail"), level=EventLevel.DEBUG)
    assert ("info", "a detail") not in spelled
    assert ("info", "a fact") in spelled
    assert ("debug", "another detail") in spelled


def test_the_first_package_that_has_a_macro_is_asked_for_it() -> None:
    """The node's own, then the project, then packages by their names, then dbt."""
    packages: Any = {"daybook": {"own": 3}}
    every: dict[str, Any] = {"own": 4, "projects": 4, "dbts": 4}
    found = MacroNamespace({"own": 2, "projects": 2}, {"own": 1}, every, packages)  # type: ignore[dict-item]
    assert {**found} == {"own": 1, "projects": 2, "dbts": 4, "daybook": packages["daybook"], "dbt": every}
    assert len(found) == 5
    assert "nobodys" not in found
    assert found.get_from_package("dbt", "own") == 4
    every["dbts"] = 5  # as a unit test does with the macros that it replaces
    assert found["dbts"] == found.get_from_package(None, "dbts") == 5


def test_a_macro_sees_its_context_as_it_is_when_it_is_called() -> None:
    source = "{% macro sum(n) %}{% set n = n + more %}{{ return(n) }}{% endmacro %}"
    macro: Any = SimpleNamespace(name="sum", unique_id="macro.daybook.sum", macro_sql=source)
    context: dict[str, Any] = {"more": 1, "return": BaseContext._return}
    add = MacroGenerator(macro, context)
    assert add.get_macro() is add.get_macro()
    assert [add(1), add(1)] == [2, 2]
    context["more"] = 10
    assert add(1) == 11
    assert MacroGenerator(macro, {"more": 5, "return": BaseContext._return})(1) == 6


def test_equal_templates_are_compiled_once_where_dbt_parses_and_once_where_it_runs() -> None:
    """Where it parses, whatever is undefined passes."""
    template = "{{ {'a': 1}['b']['c'] | default('none') }}"
    parsing = [get_environment(None, capture_macros=True).compile(template) for _ in range(2)]
    running = [get_environment(None).compile(template) for _ in range(2)]
    assert parsing[0] is parsing[1]
    assert running[0] is running[1]
    assert running[0] is not parsing[0]
    with pytest.raises(UndefinedMacroError, match="has no attribute 'b'"):
        get_rendered(template, {})


def test_types_are_guessed_as_dbt_does_by_what_is_made_once_for_the_same_columns() -> None:
    """A column that is to be text stays as it is; the others become what they look like."""
    as_text = agate_helper.build_type_tester(["id"])
    assert agate_helper.build_type_tester(iter(["id"])) is as_text
    assert agate_helper.build_type_tester(["day"]) is not as_text
    assert agate_helper.build_type_tester(["id"], string_null_values=("",)) is not as_text
    rows = [("007", "2026-01-05", "7"), ("008", "2026-01-06", "null")]
    for _ in range(2):
        table = agate.Table(rows, ["id", "day", "n"], column_types=as_text)
        assert [tuple(row) for row in table.rows] == [("007", date(2026, 1, 5), 7), ("008", date(2026, 1, 6), None)]


def test_every_cursor_has_the_settings_of_the_profile(tmp_path: Path) -> None:
    """As it was when the database was opened."""
    settings = {"TimeZone": "Asia/Tokyo", "dynamic_or_filter_threshold": 1000}
    credentials = DuckDBCredentials(database="kept", schema="main", path=str(tmp_path / "kept.db"), settings=settings)
    environment = LocalEnvironment(credentials)
    for _ in range(2):
        handle = environment.handle()
        cursor = handle.cursor()
        cursor.execute("select current_setting('TimeZone'), current_setting('dynamic_or_filter_threshold')::int")
        assert cursor.fetchall() == [("Asia/Tokyo", 1000)]
        credentials.settings["TimeZone"] = "UTC"
        handle.close()
    environment.close()


def test_a_setting_that_is_refused_leaves_no_database_open(tmp_path: Path) -> None:
    database = tmp_path / "kept.db"
    credentials = DuckDBCredentials(
        database="kept", schema="main", path=str(database), settings={"enable_profiling": "json"}
    )
    with pytest.raises(duckdb.CatalogException, match="enable_profiling") as refused:
        LocalEnvironment(credentials).handle()
    subprocess.run([sys.executable, "-c", f"import duckdb; duckdb.connect('{database}')"], check=True)
    assert refused.tb
