"""The Dagster instance of a home: the folder where the history of runs is kept.

What belongs here: making that folder. What does not: what runs in it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ingestion.home import Home


def prepare_instance(home: Home) -> Path:
    """Make the folder of the Dagster instance, and point this process and its children at it and at the home."""
    folder = home.root / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "dagster.yaml"
    if not settings.exists():  # an operator's changes stay
        shutil.copyfile(Path(__file__).with_name("dagster.yaml"), settings)
    os.environ["DAYBOOK_HOME"] = str(home.root)
    os.environ["DAGSTER_HOME"] = str(folder)
    return folder
