"""A warehouse in a temporary folder, for tests: loads its landing folder and builds with dbt in this process."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from ingestion.extracts import Extract, ExtractError, discover
from ingestion.home import Home
from ingestion.lake import attach_lake
from ingestion.load import Loader, pending
from mastery.model import DIFFICULTIES, Figures
from mastery.model import Model as FittedModel
from mastery.store import Store
from orchestration.dbt_patches import save_time
from orchestration.manifest import PROJECT_DIR as PROJECT
from orchestration.manifest import prepare, start_from_what_is_parsed
from tests.reference import Model

Rows = list[dict[str, Any]]

save_time()
_prepare = cache(prepare)

# What describes the loading and building is no function of the lake's rows.
_ABOUT_LOADING = {"mart_catalog": {"bytes", "built_at"}}

# What alerts read and no mart is made of.
_FOR_ALERTS = "from warehouse.intermediate.int_operations__filled_fields order by all"


def as_if_fitted(model: Model) -> FittedModel:
    """A model of the reference as the lake keeps it."""
    known = [("overall", "", model.overall)]
    known += [("question", question_id, difficulty) for question_id, difficulty in model.questions.items()]
    known += [("topic", topic_id, difficulty) for topic_id, difficulty in model.topics.items()]
    beside = {name: getattr(model, name) for name in ("interval_variance", "interval_newness", "fading_days")}
    return FittedModel(
        version=model.version,
        coefficients={**model.coefficients, **beside},
        difficulties=pa.Table.from_pylist(
            [{"level": level, "id": key, **asdict(difficulty)} for level, key, difficulty in known], DIFFICULTIES
        ),
        fitted_on=date(2026, 3, 1),
        fitted_attempts=0,
    )


class Warehouse:
    """One DAYBOOK_HOME. A rebuild from the same lake is a second one whose `lake` is a link to the first one's."""

    def __init__(self, root: Path, target: Path, lake_of: Warehouse | None = None, project: Path = PROJECT) -> None:
        self.home = Home(root)
        self.target = target  # dbt's target folder; shared, so that the project is parsed once
        self.project = project
        self.home.work.mkdir(parents=True)
        if lake_of:
            self.home.lake.symlink_to(lake_of.home.lake)
        else:
            self.home.landing.mkdir()

    def load(self, first: date | None = None, last: date | None = None) -> None:
        """Load every extract that is new or changed, or those of an inclusive range of dates."""
        self._load(pending(self.home, first, last))

    def load_again(self, extract_date: date) -> None:
        """Load every extract of a date, changed or not."""
        self._load([extract for extract in discover(self.home).extracts if extract.extract_date == extract_date])

    def _load(self, extracts: list[Extract]) -> None:
        with Loader(self.home) as loader:
            for _, outcome in loader.load_all(extracts):
                if isinstance(outcome, ExtractError):
                    raise outcome

    def promote(self, model: Model) -> None:
        """Let a model that was made by hand score from now on."""
        measured = Figures(
            model_version=model.version,
            split="held_out",
            method="mastery",
            evaluated_on=date(2026, 3, 1),
            first_attempt_on=date(2026, 1, 1),
            last_attempt_on=date(2026, 2, 28),
            learners=5,
            attempts=100,
            auc=0.75,
            log_loss=0.5,
            ece=0.0125,
        )
        Store(self.home).save(as_if_fitted(model), [measured], promote=True)

    def dbt(self, *arguments: str, writes_json: bool = False, may_fail: bool = False) -> dict[str, str]:
        """Run dbt here; fails with what dbt printed. Gives the status of each node by its name.

        Args:
            arguments: of the command line.
            writes_json: leave `manifest.json` and `run_results.json` in the target folder. It is most of a small run.
            may_fail: give the status of nodes that failed, too, and of what was skipped behind them.
        """
        results = self._results_of_dbt(arguments, writes_json, may_fail)
        return {done.node.name: str(done.status) for done in results if hasattr(done, "node")}

    def rendered(self, query: str) -> Rows:
        """The rows of a query that dbt has rendered."""
        [done] = self._results_of_dbt(("show", "--inline", query))
        names = done.agate_table.column_names
        return [dict(zip(names, row, strict=True)) for row in done.agate_table.rows]

    def _results_of_dbt(self, arguments: tuple[str, ...], writes_json: bool = False, may_fail: bool = False) -> Any:
        if self.project == PROJECT:
            _prepare()
            start_from_what_is_parsed(self.target)
        Store(self.home).install_shipped()
        os.environ["DAYBOOK_HOME"] = str(self.home.root)
        paths = [
            "--project-dir",
            str(self.project),
            "--profiles-dir",
            str(self.project),
            "--target-path",
            str(self.target),
            "--log-path",
            str(self.target),
        ]
        try:
            # A line of a log that nobody reads takes each test a twentieth of its time.
            spared = ["--quiet", "--log-level-file", "none", *([] if writes_json else ["--no-write-json"])]
            result = dbtRunner().invoke([*spared, *arguments, *paths])
        finally:
            DuckDBConnectionManager.close_all_connections()
        assert result.success or (may_fail and result.exception is None), result.exception or [
            f"{done.node.name}: {done.message}"
            for done in result.result
            if done.status not in ("success", "pass", "warn")
        ]
        return result.result

    def build(self, *models: str, full: bool = False, **variables: datetime | float) -> dict[str, str]:
        """Bring models and all that they are made of up to date, by default every model; gives the status of each.

        Args:
            models: their names.
            full: build them from the lake alone.
            variables: dbt's `--vars`, such as `as_of`.
        """
        arguments = ["--resource-type", "seed", "model"]
        if models:
            arguments += ["--select", *(f"+{model}" for model in models)]
        if full:
            arguments.append("--full-refresh")
        if variables:
            arguments += ["--vars", json.dumps(variables, default=str)]
        return self.dbt("build", *arguments)

    def query(self, sql: str) -> Rows:
        """Rows of a query over the marts (catalog `daybook`) and the models below them (catalog `warehouse`)."""
        with duckdb.connect() as con:
            con.execute("set timezone = 'UTC'")
            con.execute(f"attach '{self.home.marts}' as daybook (read_only)")
            con.execute(f"attach '{self.home.warehouse}' as warehouse (read_only)")
            con.execute("use daybook.marts")
            result = con.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def query_warehouse(self, sql: str) -> Rows:
        """Rows of a compiled query over the lake and the models below the marts."""
        with duckdb.connect() as con:
            con.execute(f"attach '{self.home.warehouse}' as warehouse (read_only)")
            attach_lake(con, self.home)
            result = con.execute(sql)
            names = [column[0] for column in result.description]
            return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def marts(self) -> list[str]:
        """The names of all marts there are."""
        return [
            row["name"]
            for row in self.query(
                """select table_name as name from information_schema.tables
                   where table_catalog = 'daybook' and table_schema = 'marts' order by 1"""
            )
        ]

    def mart(self, name: str) -> Rows:
        """All rows of a mart."""
        return self.query(f"from {name}")

    def contents(self, name: str) -> list[tuple[Any, ...]]:
        """A mart's rows without what describes its loading and building, in an order of their own."""
        left_out = _ABOUT_LOADING.get(name, set())
        return sorted(
            (tuple(value for column, value in row.items() if column not in left_out) for row in self.mart(name)),
            key=repr,
        )

    def assert_equals_rebuild(self, context: str) -> None:
        """Build all from the same lake in another folder, and compare all rows of all marts and of what alerts read."""
        with TemporaryDirectory(dir=self.target.parent) as root:
            rebuilt = Warehouse(Path(root) / "rebuilt", target=self.target, lake_of=self, project=self.project)
            rebuilt.build(full=True)
            assert rebuilt.marts() == self.marts()
            for mart in self.marts():
                assert self.contents(mart) == rebuilt.contents(mart), f"{mart} differs from a rebuild, {context}"
            assert self.query(_FOR_ALERTS) == rebuilt.query(_FOR_ALERTS), f"what alerts read differs, {context}"
