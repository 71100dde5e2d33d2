"""A MariaDB server of the tests' own: the system's binaries, a folder that is thrown away, no service of the system.

For root it runs as `nobody`: it would run as root if it were told to, but no server should.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.postgres import PASSWORD, free_port

_USER = "nobody" if hasattr(os, "geteuid") and os.geteuid() == 0 else None
_ESCAPED = PASSWORD.replace("\\", "\\\\").replace("'", "\\'")
# Small, quick to start, and no less safe than a thrown-away folder has to be.
_SETTINGS = (
    "bind-address=127.0.0.1",
    "skip-name-resolve",
    "character-set-server=utf8mb4",
    "innodb-flush-log-at-trx-commit=0",
    "innodb-flush-method=nosync",
    "skip-innodb-doublewrite",
    "innodb-buffer-pool-size=64M",
    "max-allowed-packet=64M",
)


def why_missing() -> str | None:
    """Why there can be no server here; None if there can."""
    if find_spec("pymysql") is None:
        return "there is no driver of MariaDB (the package pymysql)"
    missing = [name for name in ("mariadb-install-db", "mariadbd") if _program(name) is None]
    return f"there is no MariaDB: {' and '.join(missing)} not on PATH" if missing else None


@dataclass
class Server:
    """A running server."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def connect(self, database: str | None = None, **options: Any) -> Any:
        """A connection of the superuser, that commits each statement."""
        import pymysql  # not everywhere: `why_missing`

        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="daybook",
            password=PASSWORD.encode(),  # a text would go as Latin-1
            database=database,
            charset="utf8mb4",
            autocommit=True,
            **options,
        )

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as the superuser; the rows of the last one."""
        with self.connect(database) as con, con.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import pymysql

        program = _program("mariadbd")
        assert program is not None
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(program, "--no-defaults", f"--datadir={self.folder / 'data'}", f"--port={self.port}"),
                    *(f"--socket={self.folder / 'socket'}", f"--pid-file={self.folder / 'pid'}"),
                    *(f"--init-file={self.folder / 'account.sql'}", *(f"--{setting}" for setting in _SETTINGS)),
                    *([f"--user={_USER}"] if _USER else []),
                ],
                stdout=log,
                stderr=log,
            )
        for _ in range(1_200):  # two minutes: where much else is going on, the first start is slow
            with suppress(pymysql.err.OperationalError):
                self.connect(connect_timeout=2).close()
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text()[:10_000])

    def stop(self) -> None:
        """Stop it at once; whoever is connected is cut off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
            self.process = None


@contextmanager
def server() -> Iterator[Server]:
    """A server for as long as the block lasts."""
    program = _program("mariadb-install-db")
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="mariadb-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if _USER:
            shutil.chown(folder, _USER)
        account = folder / "account.sql"  # what the server runs each time that it starts
        account.write_text(
            f"create user if not exists daybook@'127.0.0.1' identified by '{_ESCAPED}';\n"
            "grant all on *.* to daybook@'127.0.0.1' with grant option;\n"
        )
        account.chmod(0o644)
        options = ["--skip-test-db", "--skip-name-resolve", "--innodb-flush-method=nosync"]
        made = subprocess.run(
            [
                *(program, "--no-defaults", f"--datadir={folder / 'data'}", *options),
                *([f"--user={_USER}"] if _USER else []),
            ],
            capture_output=True,
            check=False,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(made.stdout + made.stderr)
        running = Server(folder, free_port())
        try:
            running.start()
            yield running
        finally:
            running.stop()


def _program(name: str) -> str | None:
    # A server's programs may lie where the PATH of a user does not lead.
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    )
