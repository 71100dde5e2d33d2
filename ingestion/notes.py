"""What one process notes for the next, as JSON in a file of its own; it may be lost."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any


def read_note(path: Path) -> Any:
    """What was noted; None where nothing is, or nothing that can be read."""
    with suppress(OSError, ValueError):
        return json.loads(path.read_bytes())
    return None


def keep_note(path: Path, noted: Any) -> None:
    """Note it, whole or not at all, in place of what was. Where nothing can be written, nothing is."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    with suppress(OSError):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(noted))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
