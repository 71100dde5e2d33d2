"""The dbt sources have the columns that the lake has."""

import yaml

from ingestion.lake import FAILED_COLUMNS, LOAD_COLUMNS, LOAD_KEY, QUARANTINE_COLUMNS, SOURCE_COLUMNS
from orchestration.source_docs import SOURCES, render


def test_the_streams_are_those_of_the_contracts() -> None:
    assert SOURCES.read_text(encoding="utf-8") == render(), "run `python -m orchestration.source_docs`"


def test_the_books_have_the_columns_of_the_lake() -> None:
    document = yaml.safe_load((SOURCES.parent / "operations" / "sources.yml").read_text(encoding="utf-8"))
    tables = {
        table["name"]: [(column["name"], column["data_type"].upper()) for column in table["columns"]]
        for source in document["sources"]
        for table in source["tables"]
    }
    assert tables == {
        "loads": list(LOAD_COLUMNS),
        "load_sources": [*LOAD_KEY, *SOURCE_COLUMNS],
        "failed_loads": list(FAILED_COLUMNS),
        "event_types": [("system", "VARCHAR"), ("event_type", "VARCHAR")],
        "quarantine": list(QUARANTINE_COLUMNS),
    }
