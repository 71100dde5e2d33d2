"""Where models are kept: four Delta tables of the lake, beside the events.

What belongs here: saving, promoting and finding models and their figures. What does not: fitting and judging them
(`fit`, `evaluate`), deciding which is promoted, and the tables themselves (`ingestion.lake`).

A save writes files into `mastery_coefficients`, `mastery_difficulties` and `mastery_evaluation`, then one into
`mastery_models`, all under one name that is in the order of saving. The last commit is the switch: files of other
names count for nothing, and are removed by the next save. The champion is the model of the newest save that promotes.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.home import Home
from ingestion.lake import Lake, Table, attach_models, load_of
from ingestion.lock import writer_lock
from mastery.model import DIFFICULTIES, Figures, Model

_SAME = 1e-6

SHIPPED = Path(__file__).with_name("shipped.json")

_FIGURES = ", ".join(field.name for field in fields(Figures))


class Store:
    """The models of one home."""

    def __init__(self, home: Home) -> None:
        """Nothing is opened or created yet."""
        self._home = home
        self._lake = Lake(home)

    def champion(self) -> Model:
        """The model that scores. Raises LookupError where there is none."""
        version = self.champion_version()
        if version is None:
            raise LookupError(
                f"{self._lake.root} has no model of topic mastery; the next night installs the shipped one"
            )
        return self.model(version)

    def champion_version(self) -> str | None:
        """The version of the model that scores; None where there is none."""
        found = self._rows("select model_version from lake.raw.mastery_champion")
        return str(found[0][0]) if found else None

    def versions(self) -> list[str]:
        """The versions that are kept, the first saved first."""
        return [
            str(version)
            for (version,) in self._rows(
                "select model_version from lake.raw.mastery_models group by all order by min(saved_as)"
            )
        ]

    def model(self, version: str) -> Model:
        """A model, whether it was ever promoted or not. Raises LookupError."""
        with self._connection() as con:
            about = con.execute(
                """select fitted_on, fitted_attempts, first_attempt_on, last_attempt_on
                   from lake.raw.mastery_models where model_version = ? order by saved_as limit 1""",
                [version],
            ).fetchone()
            if about is None:
                raise LookupError(f"{self._lake.root} has no model {version!r} of topic mastery")
            coefficients = con.execute(
                """select feature, coefficient from lake.raw.mastery_coefficients
                   where model_version = ? order by feature""",
                [version],
            ).fetchall()
            difficulties = con.execute(
                f"""select {", ".join(DIFFICULTIES.names)} from lake.raw.mastery_difficulties
                    where model_version = ? order by level, id""",
                [version],
            ).to_arrow_table()
            return Model(version, dict(coefficients), difficulties.cast(DIFFICULTIES), *about)

    def save(self, model: Model, figures: Sequence[Figures] = (), promote: bool = False) -> None:
        """Keep a model and what was measured with it, whole or not at all; make it the champion, if so wished.

        A version is one model for ever: saved again, it gains figures, or is promoted. Figures may tell of any model
        that is kept.
        """
        with writer_lock(self._home, "save a model of topic mastery"):
            known = self.versions()
            if model.version in known and not _same(model, self.model(model.version)):
                raise ValueError(f"the lake holds another model as {model.version!r}")
            unknown = {measured.model_version for measured in figures} - {model.version, *known}
            if unknown:
                raise ValueError(f"figures of models that are not kept: {', '.join(sorted(unknown))}")
            saved = {load_of(path) for path in self._lake.saves.files()}
            name = f"{len(saved) + 1:06}-{secrets.token_hex(4)}"
            with duckdb.connect() as con:
                if model.version not in known:
                    self._write(con, self._lake.coefficients, name, model.version, _coefficients(model), saved)
                    self._write(con, self._lake.difficulties, name, model.version, model.difficulties, saved)
                if figures:
                    self._write(con, self._lake.figures, name, None, _rows_of(figures), saved)
                self._write(con, self._lake.saves, name, model.version, _about(model, promote), saved)

    def save_figures(self, figures: Sequence[Figures]) -> None:
        """Keep what was measured anew with models that are kept already."""
        self.save(self.champion(), figures)

    def promote(self, version: str) -> None:
        """Make a model that is kept the champion. Raises LookupError."""
        self.save(self.model(version), promote=True)

    def figures(self) -> list[Figures]:
        """The newest figures of each model, split and method."""
        return self._figures("lake.raw.mastery_evaluation", "model_version, split, method")

    def figures_history(self) -> list[Figures]:
        """Every figure that was ever kept, in the order of saving."""
        return self._figures("lake.raw.mastery_figures", "saved_as, model_version, split, method")

    def install_shipped(self) -> None:
        """Make the model that comes with Daybook the champion where there is none."""
        if self.champion_version() is None:
            with writer_lock(self._home, "install the shipped model of topic mastery"):
                if self.champion_version() is None:  # while this waited for the lock, another may have done it
                    self.save(shipped_model(), promote=True)

    def _write(
        self,
        con: duckdb.DuckDBPyConnection,
        table: Table,
        name: str,
        version: str | None,
        rows: pa.Table,
        saved: set[str],
    ) -> None:
        """Commit rows as one file; what killed saves committed goes. The version is the rows' own if none is given."""
        more = {"saved_as": name} if version is None else {"saved_as": name, "model_version": version}
        for column, value in more.items():
            rows = rows.append_column(column, pa.array([value] * rows.num_rows, pa.string()))
        con.register("rows_to_save", rows)
        action = table.write(con, {}, name, "select * from rows_to_save", rows.num_rows)
        con.unregister("rows_to_save")
        table.commit({}, [action], keep=lambda path: load_of(path) in saved)

    def _figures(self, view: str, order: str) -> list[Figures]:
        rows = self._rows(f"select {_FIGURES} from {view} order by {order}")
        known: list[list[Any]] = [[math.nan if value is None else value for value in row] for row in rows]
        return [Figures(*row) for row in known]

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        with self._connection() as con:
            return con.execute(query).fetchall()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        attach_models(con, self._lake)
        return con


@cache
def shipped_model() -> Model:
    """The model that comes with Daybook: it knows no question and no topic."""
    read = json.loads(SHIPPED.read_text())
    return Model(
        version=read["version"],
        coefficients=read["coefficients"],
        difficulties=pa.Table.from_pylist(read["difficulties"], DIFFICULTIES),
        fitted_on=date.fromisoformat(read["fitted_on"]),
        fitted_attempts=read["fitted_attempts"],
    )


def _coefficients(model: Model) -> pa.Table:
    columns = {"feature": pa.array(model.coefficients, pa.string())}
    return pa.table({**columns, "coefficient": pa.array(model.coefficients.values(), pa.float64())})


def _about(model: Model, promote: bool) -> pa.Table:
    """The row of `mastery_models`."""
    return pa.table(
        {
            "is_promoted": [promote],
            "fitted_on": [model.fitted_on],
            "fitted_attempts": [model.fitted_attempts],
            "first_attempt_on": pa.array([model.first_attempt_on], pa.date32()),
            "last_attempt_on": pa.array([model.last_attempt_on], pa.date32()),
        }
    )


def _rows_of(figures: Sequence[Figures]) -> pa.Table:
    """Figures as rows; what is not a number is null, as engines do not agree on how it compares."""
    rows = [asdict(measured) for measured in figures]
    return pa.Table.from_pylist(
        [{n: None if isinstance(v, float) and math.isnan(v) else v for n, v in row.items()} for row in rows]
    )


def _same(one: Model, other: Model) -> bool:
    """Whether two models of a version are one: what two fits of the same attempts differ by is the order of sums."""
    numbers, others = _numbers(one), _numbers(other)
    return numbers.keys() == others.keys() and all(
        math.isclose(number, others[name], rel_tol=_SAME, abs_tol=_SAME) for name, number in numbers.items()
    )


def _numbers(model: Model) -> dict[tuple[str, ...], float]:
    keys = zip(*(model.difficulties[column].to_pylist() for column in ("level", "id")), strict=True)
    difficulties = dict(zip(keys, model.difficulties["difficulty"].to_pylist(), strict=True))
    return difficulties | {(feature,): value for feature, value in model.coefficients.items()}
