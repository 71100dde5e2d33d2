"""NumPy columns as Arrow arrays, with what is missing as null."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ingestion.demo.ids import Column


def numbers(column: Column) -> pa.Array:
    """Numbers; NaN in a column of floats and -1 in a column of integers stand for nothing."""
    if np.issubdtype(column.dtype, np.floating):
        return pa.array(column, from_pandas=True)
    return pa.array(column, mask=column < 0)


def named(names: Sequence[str], number: Column) -> pa.DictionaryArray:
    """Names by number; -1 stands for none."""
    return pa.DictionaryArray.from_arrays(pa.array(number.astype(np.int32), mask=number < 0), pa.array(names))


def times(microseconds: Column) -> pa.Array:
    """Points in time; -1 stands for none."""
    return pa.array(microseconds, pa.timestamp("us"), mask=microseconds < 0)


def zones(copy: Column) -> pa.DictionaryArray:
    """How a copy spells UTC: not like the first, although it means the same."""
    return named(["Z", "+00:00"], (copy > 0).astype(np.int64))
