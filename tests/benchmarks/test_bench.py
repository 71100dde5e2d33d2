"""`make bench`, with a few thousand events: that it measures what it says, not how fast that is."""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

for needed in ("psutil", "matplotlib", "pandas", "dlt"):
    pytest.importorskip(needed, reason="the benchmark's own libraries are not installed: make bench-tools")

from benchmarks.clock import CommandFailed, Cost, measure, median  # noqa: E402
from benchmarks.events import Written  # noqa: E402
from benchmarks.homes import Night  # noqa: E402
from benchmarks.measurements import AtHistory, Beside, FirstLoad  # noqa: E402
from benchmarks.report import Found, page  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def test_a_smoke_of_the_bench_writes_its_page(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--work", str(tmp_path), "--results", str(results)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []  # it clears up behind itself
    page = results.read_text()
    headings = re.findall("^## (.*)", page, re.MULTILINE)
    assert headings == [
        "A first load", "A night", "The fixed cost", "Questions", "Beside what people would use instead", "Memory",
    ]  # fmt: skip
    assert "nan" not in page and "None" not in page
    assert len(re.findall(r"^\*\*\d.*\*\*; the goal is one of other sizes\.$", page, re.MULTILINE)) >= 7
    assert "reached" not in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    measured = {row[0].removeprefix("| "): row[1] for row in rows}
    for name in ("Daybook: load, three marts", "pandas: three marts", "dlt: load, tuned"):
        assert float(measured[name]) > 0
    assert "Not whole" not in page
    questions = page[page.index("## Questions") : page.index("## Beside")]
    assert len(re.findall(r"^\| .*\? \| [\d,]+ \| [\d,]+ \|$", questions, re.MULTILINE)) == 10
    assert (tmp_path / "cost_against_history.svg").read_text().count("<svg") == 1


def test_a_bench_that_is_cut_off_has_a_page_that_says_so() -> None:
    nights = [Night(Cost(seconds, 5, 2**30), {"load": 1.0}) for seconds in (6, 3, 4)]
    cost = Cost(2, 2, 2**30)
    first = FirstLoad(Written({dt.date(2026, 1, 5): 1000}, 10**6), nights, [cost], None, nights, [cost])
    begun = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    told = page(
        Found(begun, "make bench", first=first), {"nights": 3, "besides": 9}, begun + dt.timedelta(hours=3), "plot"
    )
    assert (
        "**Not whole**: not measured yet, or not to be had here: nights on the largest history, the questions, all that"
        " people would use instead."
    ) in told
    assert "**2.00 times the script's time**; the goal is at most 1.5: not reached." in told
    assert re.findall("^## (.*)", told, re.MULTILINE) == ["A first load", "The fixed cost"]


def test_nights_are_told_with_what_they_were_and_stand_on_the_page_before_the_first_load() -> None:
    def at(size: int, history: int, seconds: float) -> AtHistory:
        nights = [Night(Cost(seconds, 5, 2**30), {"load": 1.0})] * 3
        little = Night(Cost(3, 3, 3 * 2**30, 2**30 if size > 10**7 else 0), {})
        return AtHistory(size, history, [1_000_001, 999_998, 1_000_003], nights, [Cost(2, 2, 2**30)], ("2GB", little))

    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    found = Found(now, "make bench", "abc1234", nights=[at(10**7, 11_999_000, 30), at(10**8, 101_999_000, 45)])
    wanted = {"nights": 2, "besides": 9}
    cost = Cost(2, 2, 2**30)
    first = FirstLoad(Written({now.date(): 1000}, 10**6), [Night(cost, {})], [cost], None, [Night(cost, {})], [cost])
    told = page(replace(found, first=first), wanted, now, "plot")
    assert "- Daybook `abc1234`" in told
    assert "- Runs that count: 3\n" in told
    assert "| phase | on 11,999,000 | on 101,999,000 |\n| --- | --- | --- |\n| load | 1.0 | 1.0 |" in told
    assert "**6.00 times what is allowed on 11,999,000: 30.0 s, and 1.5 × 2.0 + 2.0 s**" in told
    assert "**9.00 times what is allowed on 101,999,000: 45.0 s, and 1.5 × 2.0 + 2.0 s**" in told
    assert "| 11,999,000 | 1,000,001, 999,998, 1,000,003 | 30.0 | 5.0 | 1.0 GiB | 2.0 |" in told
    assert "**1.50 times the time of a night on a history of one part in 8.5**; the goal is at most 1.15: not" in told
    assert (
        "| a night before 11,999,000 | 2GB | 3.0 | 3.0 GiB | 0.0 GiB | at most 4 GiB: reached, and nothing had to"
        in told
    )
    assert "| a night before 101,999,000 | 2GB | 3.0 | 3.0 GiB | 1.0 GiB | at most 8 GiB: reached |" in told
    failed = Beside("Spark: three marts", why_not="no Java")
    assert "all that people would use instead" in page(replace(found, besides=[failed] * 9), wanted, now, "plot")


def test_a_command_gets_no_setting_of_daybook_but_those_it_is_measured_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_LAKE", "s3://ours/lake")
    measure(["sh", "-c", "env | grep ^DAYBOOK_"], tmp_path / "log", {"DAYBOOK_HOME": "/there"})
    assert (tmp_path / "log").read_text() == "DAYBOOK_HOME=/there\n"


def test_a_command_is_measured_with_all_that_it_starts(tmp_path: Path) -> None:
    """A child that takes a second of a core, and 200 MB, while its parent sleeps."""
    child = "import time; b = bytearray(200_000_000); e = time.process_time() + 1\nwhile time.process_time() < e: pass"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    cost = measure([sys.executable, "-c", parent], tmp_path / "log")
    assert cost.seconds >= 1 and cost.cpu_seconds >= 1
    assert 200e6 < cost.peak_bytes < 600e6


def test_the_memory_of_whoever_measures_is_not_that_of_a_command(tmp_path: Path) -> None:
    held = bytearray(os.urandom(1)) * 600_000_000
    assert len(held) and measure(["sleep", "0.5"], tmp_path / "log").peak_bytes < 100e6


def test_what_others_take_meanwhile_is_told(tmp_path: Path) -> None:
    """A command that sleeps for two seconds, while another process takes all that it can of a core."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            cost = measure(["sleep", "2"], tmp_path / "log")
        finally:
            other.kill()
    assert 0.5 / (os.cpu_count() or 1) <= cost.others <= 1
    assert cost.cpu_seconds < 0.5


@pytest.mark.parametrize(
    ("others", "told"),
    [(0.04, "4% of the cores during a run"), (0.31, "31% of the cores during a run: more than 10%, so **what was")],
)
def test_the_page_tells_what_disturbed_any_run(others: float, told: str) -> None:
    quiet, disturbed = Night(Cost(2, 2, 2**30, others=0.01), {"load": 1.0}), Cost(2, 2, 2**30, others=others)
    extracts = Written({dt.date(2026, 1, 5): 1000}, 10**6)
    first = FirstLoad(extracts, [quiet], [quiet.cost], None, [quiet], [quiet.cost])
    now = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)
    for found in (
        Found(now, "make bench", first=replace(first, baseline=[disturbed])),
        Found(now, "make bench", first=replace(first, without_news=[Night(disturbed, {})])),
        Found(now, "make bench", first=first, besides=[Beside("pandas: three marts", [disturbed])]),
    ):
        whole = page(found, {"nights": 3, "besides": 9}, now, "plot")
        (line,) = re.findall("^- Other processes.*", whole, re.MULTILINE)
        assert line.startswith(f"- Other processes took at most {told}")
        assert ("was disturbed" in line) == (others == 0.31)


def test_a_command_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"exit status 3\nthe cause$"):
        measure(["sh", "-c", "echo the cause; exit 3"], tmp_path / "log")


def test_what_is_spilled_is_seen(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb.tmp").mkdir()
    command = ["sh", "-c", f"head -c 3000000 /dev/zero > {tmp_path}/warehouse.duckdb.tmp/block; sleep 0.5"]
    cost = measure(command, tmp_path / "log", {**os.environ}, spills=tmp_path)
    assert cost.spilled_bytes >= 3_000_000


def test_the_median_of_costs_is_that_of_each_figure_and_the_most_memory() -> None:
    costs = [Cost(3, 9, 10), Cost(1, 8, 30, others=0.5), Cost(2, 7, 20, 5)]
    assert median(costs) == Cost(2, 8, 30, 5, 0.5)
