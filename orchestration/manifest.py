"""The dbt project as definitions see it: its manifest, kept current, and the lineage of its columns.

What belongs here: noticing that the project changed, compiling it again, and reading lineage from the compiled SQL.
What does not: the assets that are made of it (`translator`, `assets`), and running models.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_dbt import DbtProject
from filelock import FileLock

from orchestration.code_version import hash_files
from orchestration.lineage import Lineage, column_lineage
from orchestration.resources import dbt_executable

_CHECKOUT = Path(__file__).resolve().parent.parent

PROJECT_DIR = _CHECKOUT / "dbt_project"

# A folder of our own: a `dbt build` by hand writes its manifest into target/, which may be of other files by then.
_TARGET = Path("target") / "dagster"
_PARSED = "partial_parse.msgpack"


@dataclass(frozen=True)
class Prepared:
    """A dbt project with the manifest that belongs to its files, and the lineage of its columns."""

    project: DbtProject
    manifest: Mapping[str, Any]
    lineage: Lineage


def prepare(project_dir: Path = PROJECT_DIR) -> Prepared:
    """Read the project's manifest, after compiling the project anew where its files have changed since.

    It is compiled against an empty DuckDB in a temporary folder: no database, network or secret is needed, and what the
    assets are does not depend on the engine. (A
    manifest that does not fit its project shows as `KeyError` in the middle of a run, so the files' contents decide,
    not their times.)
    """
    project_dir = project_dir.resolve()
    project = DbtProject(project_dir, target_path=_TARGET)
    target = project_dir / _TARGET
    target.mkdir(parents=True, exist_ok=True)
    stamp, lineage_path = target / "sources.sha256", target / "lineage.json"
    with FileLock(target / "lock"):  # two processes may load their definitions at once
        # The project's files, the contracts that its sources follow, and how lineage is read.
        sources = hash_files([project_dir, _CHECKOUT / "ingestion" / "contracts", Path(__file__).parent / "lineage.py"])
        if not (project.manifest_path.exists() and lineage_path.exists() and _read(stamp) == sources):
            stamp.unlink(missing_ok=True)
            # Where dbt parses changed files alone, singular tests lose their descriptions.
            (target / _PARSED).unlink(missing_ok=True)
            _compile(project_dir)
            lineage_path.write_text(json.dumps(column_lineage(json.loads(project.manifest_path.read_text()))))
            stamp.write_text(sources)
        return Prepared(project, json.loads(project.manifest_path.read_text()), json.loads(lineage_path.read_text()))


def start_from_what_is_parsed(artifacts: Path, project_dir: Path = PROJECT_DIR) -> None:
    """Give dbt's next run in a folder what was parsed when the project was compiled: all of it again takes seconds.

    dbt parses anew what has changed since, and all where it cannot read it.
    """
    parsed, wanted = project_dir / _TARGET / _PARSED, artifacts / _PARSED
    with suppress(FileNotFoundError):  # nothing is parsed yet, or another process does it just now
        parsed_at = parsed.stat().st_mtime
        if not wanted.exists() or wanted.stat().st_mtime < parsed_at:
            artifacts.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(parsed, wanted)


def marts_of(manifest: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes of the marts."""
    return [
        node for node in manifest["nodes"].values() if node["resource_type"] == "model" and node["schema"] == "marts"
    ]


def owner_of(manifest: Mapping[str, Any], group: str) -> str:
    """The e-mail address of a group's owner."""
    return next(str(found["owner"]["email"]) for found in manifest["groups"].values() if found["name"] == group)


def columns_of_people(manifest: Mapping[str, Any]) -> set[str]:
    """The columns of models that name people by another name than the contracts give them (`meta.names_a_person`)."""
    return {
        name
        for node in manifest["nodes"].values()
        for name, column in node.get("columns", {}).items()
        if column["config"]["meta"].get("names_a_person")
    }


def _compile(project_dir: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="daybook-compile-") as home:
        (Path(home) / "work").mkdir()
        done = subprocess.run(
            [dbt_executable(), "--quiet", "compile", "--no-populate-cache", "--target-path", str(_TARGET)],
            cwd=project_dir,
            env={
                **os.environ,
                "DAYBOOK_HOME": home,
                "DAYBOOK_ENGINE": "duckdb",
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode != 0:
        raise RuntimeError(f"dbt cannot compile {project_dir}:\n{done.stdout.strip()}")


def _read(path: Path) -> str | None:
    return path.read_text() if path.exists() else None
