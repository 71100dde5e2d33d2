"""Python runs this at its start where the folder is on PYTHONPATH: the process dies at a chosen write boundary.

`DAYBOOK_SOAK_COUNTS` names a folder in which each boundary that is crossed, by any process of a night, adds a byte to
a file of its name. `DAYBOOK_SOAK_KILL` says where to die: `<boundary> <how many times it is crossed>`, and
`DAYBOOK_SOAK_WHOM`, who does: the `group` of all processes, or only the `leader`, so that what it started lives on.
"""

import functools
import importlib.abc
import importlib.machinery
import os
import shutil
import signal
import sys

_COUNTS = os.environ.get("DAYBOOK_SOAK_COUNTS")


def _cross(boundary):
    """Count, and die if this is the time."""
    counts = os.open(os.path.join(_COUNTS, boundary), os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)  # noqa: PTH118
    try:
        os.write(counts, b".")
        crossed = os.fstat(counts).st_size
    finally:
        os.close(counts)
    if os.environ.get("DAYBOOK_SOAK_KILL") == f"{boundary} {crossed}":
        if os.environ.get("DAYBOOK_SOAK_WHOM") == "leader":
            os.kill(os.getpgrp(), signal.SIGKILL)
        else:
            os.killpg(os.getpgrp(), signal.SIGKILL)


def _bounded(function, name_of):
    """The function, with a boundary before it and one behind it, named after its arguments."""

    @functools.wraps(function)
    def bounded(*args, **kwargs):
        name = name_of(*args, **kwargs)
        if name is None:
            return function(*args, **kwargs)
        _cross(f"before-{name}")
        result = function(*args, **kwargs)
        _cross(f"after-{name}")
        return result

    return bounded


def _patch_os():
    os.replace = _bounded(os.replace, lambda source, target, **_: _renaming(target))
    os.rename = _bounded(os.rename, lambda source, target, **_: _renaming(target))
    os.fsync = _bounded(os.fsync, lambda *_: "fsync")
    shutil.copyfileobj = _bounded(shutil.copyfileobj, lambda *_: "copy")


def _renaming(target):
    path = os.fspath(target)
    return "swap" if "/published/" in path else None


def _patch_deltalake(module):
    def table(self, *_, **__):
        folder = self.table_uri.rstrip("/").rsplit("/", 1)[-1]
        return f"commit-{folder if folder in ('ledger', 'quarantine') else 'raw'}"

    module.DeltaTable.create_write_transaction = _bounded(module.DeltaTable.create_write_transaction, table)


def _patch_dbt(module):
    manager = module.DuckDBConnectionManager
    manager.add_query = _bounded(
        manager.add_query, lambda self, sql, *_, **__: "model" if sql.strip().upper().endswith("COMMIT") else None
    )


class _Patching(importlib.abc.MetaPathFinder):
    """Finds a module as the others do, and patches it when it has been loaded."""

    patches = {"deltalake": _patch_deltalake, "dbt.adapters.duckdb.connections": _patch_dbt}  # noqa: RUF012

    def find_spec(self, name, path, target=None):
        patch = self.patches.get(name)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is None or spec.loader is None:
            return spec
        load = spec.loader.exec_module

        def load_and_patch(module):
            load(module)
            patch(module)

        spec.loader.exec_module = load_and_patch
        return spec


if _COUNTS:
    _patch_os()
    sys.meta_path.insert(0, _Patching())
