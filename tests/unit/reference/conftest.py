"""An extract to write rows into."""

from __future__ import annotations

import pytest

from tests.unit.reference.extract import Extract


@pytest.fixture
def extract() -> Extract:
    return Extract()
