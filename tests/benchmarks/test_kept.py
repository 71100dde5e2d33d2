"""A bench that was cut off: what it had measured is not measured again, nor mixed with what it must not be."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("psutil", reason="the benchmark's own libraries are not installed: make bench-tools")

from benchmarks import measurements
from benchmarks.clock import Cost
from benchmarks.homes import Night
from benchmarks.kept import Kept, OtherMeasurements, versions
from benchmarks.measurements import SMOKE, Sizes
from ingestion.home import Home


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
    with pytest.raises(OtherMeasurements, match="other sizes, code or libraries; remove it"):
        Kept(tmp_path, replace(SMOKE, news=SMOKE.news + 1))
    with monkeypatch.context() as changed:
        changed.setattr("benchmarks.kept.code_version", lambda: "another")
        with pytest.raises(OtherMeasurements):
            Kept(tmp_path, SMOKE)
    there = versions()
    monkeypatch.setattr("benchmarks.kept.versions", lambda: (*there, "one that was not installed 1.0"))
    Kept(tmp_path, SMOKE)
    monkeypatch.setattr("benchmarks.kept.versions", lambda: (*there[:-1], "another version"))
    with pytest.raises(OtherMeasurements):
        Kept(tmp_path, SMOKE)
    (tmp_path / "bench.pickle").write_bytes(pickle.dumps(("as it was written", "before")))
    with pytest.raises(OtherMeasurements):
        Kept(tmp_path, SMOKE)


def test_the_page_that_a_run_writes_is_no_other_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    benchmarks = tmp_path / "benchmarks"
    benchmarks.mkdir()
    (benchmarks / "kept.py").write_text("pass\n")
    monkeypatch.setattr("benchmarks.kept.__file__", str(benchmarks / "kept.py"))
    begun = Kept(tmp_path / "work", SMOKE).begun
    (benchmarks / "RESULTS.md").write_text("Not whole\n")
    assert Kept(tmp_path / "work", SMOKE).begun == begun
    (benchmarks / "kept.py").write_text("raise\n")
    with pytest.raises(OtherMeasurements):
        Kept(tmp_path / "work", SMOKE)


def test_nights_that_were_cut_off_go_on_with_the_dates_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off in the night behind the first history; the costs are made up, the extracts and their delivery are not."""
    sizes = Sizes(news=300, histories=(600, 1500), runs=1, warm_ups=0, memory={})
    delivered: list[list[str]] = []

    def nightly(home: Home, environment: None = None) -> Night:
        delivered.append(sorted(path.name[-2:] for path in (home.landing / "study").iterdir()))
        if len(delivered) == 2:
            raise KeyboardInterrupt
        return Night(Cost(1.0, 1.0, 1), {})

    monkeypatch.setattr(measurements, "nightly", nightly)
    monkeypatch.setattr(measurements, "_baseline", lambda *_: Cost(1.0, 1.0, 1))
    with pytest.raises(KeyboardInterrupt):
        list(measurements.nights(tmp_path, sizes, lambda _: None, Kept(tmp_path, sizes).once))
    measured = list(measurements.nights(tmp_path, sizes, lambda _: None, Kept(tmp_path, sizes).once))
    assert [point.size for point in measured] == [600, 1500]
    assert [len(point.news) for point in measured] == [1, 1]
    # What lay there before the night that counts: three dates, and five.
    of = Kept(tmp_path, sizes).once("extracts", lambda: None).events_of
    dated = sorted(of)
    assert [point.history for point in measured] == [sum(of[day] for day in dated[:n]) for n in (3, 5)]
    assert [list(point.news) for point in measured] == [[of[dated[n]]] for n in (3, 5)]
    # 2 of history, a night cut off; that one again, a night; up to 5 of history, a night: each date once, in order.
    dates = [f"{day:02d}" for day in range(5, 12)]
    assert delivered == [dates[:2], dates[:3], dates[:3], dates[:4], dates[:5], dates[:6]]


def test_too_many_cuts_are_told_instead_of_nights_without_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = Sizes(news=300, histories=(600,), runs=1, warm_ups=0, memory={})
    monkeypatch.setattr(measurements, "_baseline", lambda *_: Cost(1.0, 1.0, 1))

    def cut_off(home: Home, environment: None = None) -> Night:
        raise KeyboardInterrupt

    nights = iter([Night(Cost(1.0, 1.0, 1), {})])
    monkeypatch.setattr(measurements, "nightly", lambda *_: next(nights, None) or cut_off(tmp_path))
    for _ in range(sizes.dates):
        nights = iter([Night(Cost(1.0, 1.0, 1), {})])
        with pytest.raises((KeyboardInterrupt, measurements.NoExtractsLeft)) as stopped:
            list(measurements.nights(tmp_path, sizes, lambda _: None, Kept(tmp_path, sizes).once))
    assert stopped.type is measurements.NoExtractsLeft
    assert "has to begin anew" in str(stopped.value)
