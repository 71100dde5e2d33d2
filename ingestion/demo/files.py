"""Extract files: text in its compressions, Parquet, and the manifest of a folder."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.demo.ids import Ints

_GZIP = 31  # zlib's way to ask for a gzip file; it writes no time into the header
_FAST = 1


@dataclass(frozen=True)
class Written:
    """A file as it lies in the landing."""

    name: str
    rows: int  # as the contract counts them
    bytes: int
    sha256: str


class Lines:
    """The rows of a file as text, line ends included."""

    def __init__(self, text: pa.ChunkedArray) -> None:
        """Take a column of text as DuckDB gave it."""
        whole = text.combine_chunks()
        whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
        large = whole.cast(pa.large_string())
        self.rows = len(large)
        self._offsets = np.zeros(1, dtype=np.int64)
        self._bytes = memoryview(b"")
        if self.rows:
            offsets = np.frombuffer(large.buffers()[1], dtype=np.int64)
            self._offsets = offsets[large.offset : large.offset + self.rows + 1]
            self._bytes = memoryview(large.buffers()[2])

    def with_others(self, others: Sequence[str], starts: Ints) -> bytes:
        """The text with other lines spread evenly over it; a line begins at each of the rows `starts`."""
        cuts = np.append(starts, self.rows)[np.linspace(0, len(starts), len(others) + 2).astype(np.int64)[1:-1]]
        offsets = self._offsets[np.concatenate([[0], cuts, [self.rows]])]
        parts = [self._bytes[offsets[i] : offsets[i + 1]] for i in range(len(offsets) - 1)]
        between = [*(other.encode() for other in others), b""]
        return b"".join(piece for pair in zip(parts, between, strict=True) for piece in pair)


def write_text(folder: Path, name: str, text: bytes, rows: int) -> Written:
    """Write a text file, compressed as its name says."""
    if name.endswith(".gz"):
        packer = zlib.compressobj(_FAST, zlib.DEFLATED, _GZIP)
        text = packer.compress(text) + packer.flush()
    elif name.endswith(".zst"):
        text = pa.compress(text, codec="zstd", asbytes=True)
    return _write(folder, name, text, rows)


def write_parquet(folder: Path, name: str, table: pa.Table) -> Written:
    """Write a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return _write(folder, name, sink.getvalue().to_pybytes(), table.num_rows)


def write_manifest(folder: Path, files: Sequence[Written]) -> None:
    """Say what the folder holds."""
    entries = [{"name": file.name, "rows": file.rows, "sha256": file.sha256} for file in files]
    (folder / "manifest.json").write_text(json.dumps({"files": entries}, indent=2) + "\n")


def _write(folder: Path, name: str, content: bytes, rows: int) -> Written:
    (folder / name).write_bytes(content)
    return Written(name, rows, len(content), hashlib.sha256(content).hexdigest())
