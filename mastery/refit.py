"""A challenger for the champion: fitted on the attempts of the marts, judged beside it, promoted or only kept.

What belongs here: the order of the steps and the decision. What does not: fitting (`fit`), judging (`evaluate`),
keeping (`store`), and scoring anew with what was decided, which is the warehouse's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import duckdb

from ingestion.home import Home
from ingestion.lock import writer_lock
from mastery.attempts import Attempts, read_attempts
from mastery.model import Figures, Method, Model
from mastery.store import Store

METHODS: Mapping[Method, str] = {
    "mastery": "mastery",
    "topic_average": "topic average",
    "running_accuracy": "running accuracy",
    "exponential_accuracy": "exponentially weighted accuracy",
}


class NoAttempts(LookupError):
    """There are no marts to read attempts from."""


@dataclass(frozen=True)
class Refit:
    """What came of it."""

    told: str  # what was decided, and why
    champion: str  # the version that scores from now on
    challenger: str | None = None  # the version that was fitted, promoted or not
    figures: Sequence[Figures] = ()  # as they were kept
    calibration: Sequence[tuple[float, float, int]] = ()  # of the champion: mean prediction, share correct, attempts


def refit(home: Home) -> Refit:
    """Fit a challenger, measure it beside the champion and the naive methods, and promote it if it is not worse.

    Where there is too little to fit or to compare, the champion stays. Raises NoAttempts.
    """
    # scikit-learn takes a second to import: not for everybody who only wants to know what a refit is.
    from mastery.evaluate import calibration, evaluate
    from mastery.fit import TooLittleToFit, fit

    with writer_lock(home, "fit topic mastery"):
        attempts, as_of = _read(home)
        store = Store(home)
        store.install_shipped()
        champion = store.champion()
        try:
            challenger = fit(attempts, as_of)
        except TooLittleToFit as error:
            return Refit(f"{champion.version} stays, for there is too little to fit: {error}", champion.version)
        if challenger.version == champion.version:
            figures = evaluate(attempts, [champion], as_of)
            store.save_figures(figures)
            told = f"{champion.version} stays: a fit today is the same"
            return Refit(told, champion.version, None, figures, calibration(attempts, champion))
        figures = evaluate(attempts, [champion, challenger], as_of)
        is_promoted, told = decide(champion, challenger, figures)
        winner = challenger if is_promoted else champion
        # The naive methods stand beside the model that scores.
        figures = [f if f.method == "mastery" else replace(f, model_version=winner.version) for f in figures]
        store.save(challenger, figures, promote=is_promoted)
        return Refit(told, winner.version, challenger.version, figures, calibration(attempts, winner))


def decide(champion: Model, challenger: Model, figures: Sequence[Figures]) -> tuple[bool, str]:
    """Whether the challenger replaces the champion, and why: by the log-loss of learners that neither was fitted on."""
    held_out = {f.model_version: f.log_loss for f in figures if (f.split, f.method) == ("held_out", "mastery")}
    if not {champion.version, challenger.version} <= held_out.keys():
        return False, f"{champion.version} stays: no held-out learner answered right and wrong"
    before, now = held_out[champion.version], held_out[challenger.version]
    if now <= before:
        return True, f"{challenger.version} replaces {champion.version}: held-out log-loss {now:.4f}, was {before:.4f}"
    return False, f"{champion.version} stays: held-out log-loss {before:.4f}, the challenger's is {now:.4f}"


def table(figures: Sequence[Figures], champion: str) -> str:
    """The held-out figures as a Markdown table that is aligned as text too; the champion first."""
    rows = [("method, on held-out learners", "AUC", "log-loss", "ECE")]
    order = {method: place for place, method in enumerate(METHODS)}
    for f in sorted(figures, key=lambda f: (order[f.method], f.model_version != champion)):
        if f.split == "held_out":
            role = "champion" if f.model_version == champion else "other model"
            name = f"{METHODS[f.method]}, {role} {f.model_version}" if f.method == "mastery" else METHODS[f.method]
            rows.append((name, f"{f.auc:.4f}", f"{f.log_loss:.4f}", f"{f.ece:.4f}"))
    if len(rows) == 1:
        return ""
    width = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [
        "| " + " | ".join([row[0].ljust(width[0]), *(row[n].rjust(width[n]) for n in (1, 2, 3))]) + " |" for row in rows
    ]
    rule = "| " + " | ".join(["-" * width[0], *("-" * (width[n] - 1) + ":" for n in (1, 2, 3))]) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def _read(home: Home) -> tuple[Attempts, date]:
    """The attempts as the marts at work have them, and the date that they speak of: as-of, not the clock's."""
    none = f"{home.marts} has no question attempts to fit a model on: run make nightly first"
    if not home.marts.is_file():
        raise NoAttempts(none)
    with duckdb.connect(str(home.marts), read_only=True) as con:
        try:
            as_of = con.execute("select max(as_of) from marts.mart_catalog").fetchone()
            attempts = read_attempts(con)
        except duckdb.CatalogException:  # a first night that did not come so far
            raise NoAttempts(none) from None
    if not as_of or not as_of[0]:
        raise NoAttempts(none)
    return attempts, as_of[0].date()
