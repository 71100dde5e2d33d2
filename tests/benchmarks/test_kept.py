"""A bench that was cut off: what it had measured is not measured again, nor mixed with what it must not be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="the benchmark's own libraries are not installed: make bench-tools")

from benchmarks.kept import Kept, OtherMeasurements
from benchmarks.measurements import SMOKE


def test_what_was_measured_is_kept_and_what_was_cut_off_is_measured_again(tmp_path: Path) -> None:
    measured: list[str] = []

    def measure(name: str) -> str:
        measured.append(name)
        if measured.count("second") == 1 and name == "second":
            raise KeyboardInterrupt
        return f"{name}, the {len(measured)}. time"

    kept = Kept(tmp_path, SMOKE)
    assert kept.once("first", lambda: measure("first")) == "first, the 1. time"
    with pytest.raises(KeyboardInterrupt):
        kept.once("second", lambda: measure("second"))
    again = Kept(tmp_path, SMOKE)
    assert again.begun == kept.begun
    assert again.once("first", lambda: measure("first")) == "first, the 1. time"
    assert again.once("second", lambda: measure("second")) == "second, the 3. time"
    assert measured == ["first", "second", "second"]


def test_other_sizes_and_other_code_are_not_mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Kept(tmp_path, SMOKE)
    with pytest.raises(OtherMeasurements, match="other sizes, or of other code; remove it"):
        Kept(tmp_path, replace(SMOKE, news=SMOKE.news + 1))
    monkeypatch.setattr("benchmarks.kept.code_version", lambda: "another")
    with pytest.raises(OtherMeasurements):
        Kept(tmp_path, SMOKE)
