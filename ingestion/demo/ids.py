"""Identifiers and random numbers that depend on the seed alone."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Column = npt.NDArray[Any]  # numbers or booleans of any width

_HEX = np.array([list(f"{byte:02x}".encode()) for byte in range(256)], dtype=np.uint8)
_HEX_POSITIONS = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def random(seed: int, part: str) -> np.random.Generator:
    """The random numbers of one part of the demo: what another part draws does not change them."""
    return np.random.default_rng([seed, *hashlib.md5(part.encode()).digest()])


def _mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of splitmix64: a bijection, so that different counters stay different."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def uuids(seed: int, kind: str, counters: Column) -> pa.StringArray:
    """The UUIDs of the things of a kind, by number, as Arrow text."""
    base = np.frombuffer(hashlib.md5(f"{seed}/{kind}".encode()).digest(), dtype=np.uint64)
    counter = counters.astype(np.uint64) * _GOLDEN
    words = np.column_stack([_mixed(counter + base[0]), _mixed(counter ^ base[1])]).astype("<u8")
    octets = words.view(np.uint8)
    octets[:, 6] = (octets[:, 6] & 0x0F) | 0x40  # version 4
    octets[:, 8] = (octets[:, 8] & 0x3F) | 0x80  # the variant of RFC 9562
    text = np.full((len(counters), 36), ord("-"), dtype=np.uint8)
    text[:, _HEX_POSITIONS] = _HEX[octets].reshape(len(counters), 32)
    offsets = np.arange(0, 36 * (len(counters) + 1), 36, dtype=np.int64)
    return pa.Array.from_buffers(
        pa.large_string(), len(counters), [None, pa.py_buffer(offsets), pa.py_buffer(text.reshape(-1))]
    )


def uuid_list(seed: int, kind: str, count: int) -> list[str]:
    """The first `count` UUIDs of a kind."""
    texts: list[str] = uuids(seed, kind, np.arange(count)).to_pylist()
    return texts
