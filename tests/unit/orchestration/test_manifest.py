from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from orchestration import manifest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[str]]:
    """A project whose compiling is a note that it happened."""
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text("name: tiny\n")
    (tmp_path / "models" / "a.sql").write_text("select 1")
    compiled: list[str] = []

    def compile_project(project_dir: Path) -> None:
        compiled.append((project_dir / "models" / "a.sql").read_text())
        target = project_dir / "target" / "dagster"
        (target / "manifest.json").write_text(json.dumps({"nodes": {}, "sources": {}, "sql": compiled[-1]}))
        with (target / "partial_parse.msgpack").open("x") as parsed:
            parsed.write(compiled[-1])

    monkeypatch.setattr(manifest, "_compile", compile_project)
    return tmp_path, compiled


def test_a_project_is_compiled_once(project: tuple[Path, list[str]]) -> None:
    folder, compiled = project
    manifest.prepare(folder)
    assert manifest.prepare(folder).manifest["sql"] == "select 1"
    assert len(compiled) == 1


def test_a_changed_project_is_compiled_again(project: tuple[Path, list[str]]) -> None:
    """A stale manifest shows as `KeyError: 'test...'` in the middle of a run.

    And from its first file on: where dbt parsed changed files alone, tests lost their descriptions.
    """
    folder, compiled = project
    manifest.prepare(folder)
    (folder / "models" / "a.sql").write_text("select 2")
    assert manifest.prepare(folder).manifest["sql"] == "select 2"
    (folder / "models" / "b.sql").write_text("select 3")
    manifest.prepare(folder)
    assert len(compiled) == 3


def test_what_dbt_writes_is_no_change(project: tuple[Path, list[str]]) -> None:
    folder, compiled = project
    manifest.prepare(folder)
    (folder / "target" / "manifest.json").write_text("{}")
    (folder / "logs").mkdir()
    (folder / "logs" / "dbt.log").write_text("...")
    manifest.prepare(folder)
    assert len(compiled) == 1


def test_a_compilation_that_failed_is_tried_again(
    project: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, compiled = project
    manifest.prepare(folder)
    (folder / "models" / "a.sql").write_text("select")
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(manifest, "_compile", _fail)
        manifest.prepare(folder)
    manifest.prepare(folder)
    assert compiled == ["select 1", "select"]


def test_a_home_starts_from_what_is_parsed_and_keeps_what_is_newer(project: tuple[Path, list[str]]) -> None:
    folder, _ = project
    artifacts = folder / "home" / "dbt"
    manifest.start_from_what_is_parsed(artifacts, folder)
    assert not artifacts.exists()  # nothing is parsed yet
    manifest.prepare(folder)
    manifest.start_from_what_is_parsed(artifacts, folder)
    parsed = artifacts / "partial_parse.msgpack"
    assert parsed.read_text() == "select 1"
    parsed.write_text("newer")
    manifest.start_from_what_is_parsed(artifacts, folder)
    assert parsed.read_text() == "newer"
    os.utime(parsed, (1, 1))  # long ago
    (folder / "models" / "a.sql").write_text("select 2")
    manifest.prepare(folder)
    manifest.start_from_what_is_parsed(artifacts, folder)
    assert parsed.read_text() == "select 2"


def _fail(project_dir: Path) -> None:
    raise RuntimeError("no")
