from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.code_version import code_version, hash_files


def test_a_hash_follows_names_and_contents_and_nothing_that_tools_leave_behind(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    (folder / "marts").mkdir(parents=True)
    file = folder / "marts" / "a.sql"
    file.write_text("select 1")
    seen = [hash_files([folder])]
    file.write_text("select 2")
    seen.append(hash_files([folder]))
    file = file.rename(folder / "marts" / "b.sql")
    seen.append(hash_files([folder]))
    (folder / "target").mkdir()
    (folder / "target" / "manifest.json").touch()
    (folder / "marts" / "__pycache__").mkdir()
    (folder / "marts" / "__pycache__" / "b.pyc").touch()
    (folder / ".b.sql.swp").touch()
    assert hash_files([folder]) == seen[-1]
    assert len(set(seen)) == 3


def test_another_engine_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYBOOK_ENGINE", raising=False)
    version = code_version()
    monkeypatch.setenv("DAYBOOK_ENGINE", "duckdb")
    assert code_version() == version
    monkeypatch.setenv("DAYBOOK_ENGINE", "spark")
    assert code_version() != version
