"""Load with dlt: `python -m benchmarks.alternatives.dlt_load LANDING DATABASE [--tuned | --fast]`.

Loads the study events of a landing folder into the table `study.events` of a DuckDB file, a row a line, copies
included. The file is made anew. In three ways:

- By default: dlt's filesystem source with its reader of JSON Lines, and nothing set. `properties` becomes a column a
  field, its lists tables of their own.
- `--tuned`: the same reader, and what dlt's documentation recommends for speed under "Optimizing dlt" and "DuckDB":
  larger pages and buffers, files that rotate, a normalizer on every core, Parquet to load from; `properties` is one
  JSON column (`max_table_nesting=0`).
- `--fast`: a reader of our own ("Advanced filesystem usage") that yields Arrow tables, which the documentation calls
  the faster way to load ("Arrow table / Pandas"): dlt then never looks at a row. DuckDB parses the files for it, into
  the columns of the contract: an unknown field of the envelope is lost.

https://dlthub.com/docs/reference/performance
https://dlthub.com/docs/dlt-ecosystem/destinations/duckdb
https://dlthub.com/docs/dlt-ecosystem/verified-sources/arrow-pandas
https://dlthub.com/docs/dlt-ecosystem/verified-sources/filesystem/advanced
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.extract import DltResource
from dlt.sources.filesystem import FileItemDict, filesystem, read_jsonl

_FILES = "study/*/events*.ndjson"
_PAGE = 50_000
_ROWS_A_FILE = 100_000

_COLUMNS = {
    "event_id": "varchar",
    "event_type": "varchar",
    "event_ts": "timestamptz",
    "user_id": "varchar",
    "session_id": "varchar",
    "client_ts": "timestamptz",
    "material_id": "varchar",
    "chunk_id": "varchar",
    "topic_id": "varchar",
    "question_id": "varchar",
    "properties": "json",
}


@dlt.transformer
def read_with_duckdb(files: list[FileItemDict]) -> Iterator[pa.Table]:
    """Parse JSON Lines into Arrow tables."""
    with duckdb.connect() as con:
        con.execute("set timezone = 'UTC'")
        for file in files:
            yield con.execute(
                """select * replace (properties::varchar as properties)
                   from read_json($path, format = 'newline_delimited', columns = $columns)""",
                {"path": file.local_file_path, "columns": _COLUMNS},
            ).to_arrow_table()


def tune() -> None:
    """Set what the documentation recommends; read when the pipeline runs."""
    dlt.config["data_writer.buffer_max_items"] = _ROWS_A_FILE
    dlt.config["data_writer.file_max_items"] = _ROWS_A_FILE
    dlt.config["normalize.workers"] = os.cpu_count()
    dlt.config["normalize.start_method"] = "spawn"


def load(landing: Path, database: Path, way: str | None) -> None:
    """Load all events in one of the ways."""
    files = filesystem(bucket_url=str(landing.absolute()), file_glob=_FILES)
    settings: dict[str, Any] = {}
    events: DltResource
    if way == "fast":
        events = files | read_with_duckdb()
        events.apply_hints(columns={"properties": {"data_type": "json"}})
    elif way == "tuned":
        tune()
        events = files | read_jsonl(chunksize=_PAGE)
        events.max_table_nesting = 0
        settings["loader_file_format"] = "parquet"
    else:
        events = files | read_jsonl()
    database.unlink(missing_ok=True)
    destination = dlt.destinations.duckdb(str(database))
    # What it remembers of a pipeline would lie below the user's home.
    with tempfile.TemporaryDirectory(prefix="dlt-") as folder:
        pipeline = dlt.pipeline("events", pipelines_dir=folder, destination=destination, dataset_name="study")
        pipeline.run(events.with_name("events"), **settings)


def main(arguments: list[str] | None = None) -> None:
    """Load the study events of a landing folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.alternatives.dlt_load", description=__doc__)
    parser.add_argument("landing", type=Path)
    parser.add_argument("database", type=Path, help="the DuckDB file to make")
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument("--tuned", action="store_const", dest="way", const="tuned", help="set what makes it faster")
    ways.add_argument("--fast", action="store_const", dest="way", const="fast", help="hand Arrow tables over")
    options = parser.parse_args(arguments)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # it would tell its makers of the run
    load(options.landing, options.database, options.way)


if __name__ == "__main__":
    main()
