"""How much memory the engine may take is said in one variable."""

from __future__ import annotations

import duckdb
import pytest

from ingestion.memory import limit_memory


def limit_of(con: duckdb.DuckDBPyConnection) -> float:
    """The limit in MiB."""
    [(limit,)] = con.execute("select current_setting('memory_limit')").fetchall()
    amount, unit = limit.split()
    return float(amount) * {"MiB": 1, "GiB": 1024}[unit]


def test_the_variable_is_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_MEMORY", "4GiB")
    with duckdb.connect() as con:
        limit_memory(con)
        assert limit_of(con) == 4096


def test_without_it_the_engine_takes_what_it_takes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYBOOK_MEMORY", raising=False)
    with duckdb.connect() as con:
        before = limit_of(con)
        limit_memory(con)
        assert limit_of(con) == before


@pytest.mark.parametrize("wanted", ["much", "4", "50%"])
def test_what_is_no_size_is_told(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv("DAYBOOK_MEMORY", wanted)
    with (
        duckdb.connect() as con,
        pytest.raises(ValueError, match=f"^DAYBOOK_MEMORY is '{wanted}'; it has to be a size"),
    ):
        limit_memory(con)
