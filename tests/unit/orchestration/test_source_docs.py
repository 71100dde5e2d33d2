"""The dbt sources of the streams say what the contracts say."""

from orchestration.source_docs import SOURCES, render


def test_the_sources_are_those_of_the_contracts() -> None:
    assert SOURCES.read_text(encoding="utf-8") == render(), "run `python -m orchestration.source_docs`"
