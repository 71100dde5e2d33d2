"""Azure's object store of the tests' own: Azurite, Microsoft's emulator, a program that not every machine has."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from tests.object_store import BUCKET
from tests.postgres import free_port

_PROGRAM = "azurite-blob"
# The only account that the emulator has: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_VERSION = "2023-11-03"


def why_missing() -> str | None:
    """Why there can be no server here; None if there can."""
    return None if shutil.which(_PROGRAM) else f"there is no emulator of Azure: {_PROGRAM} not on PATH"


@dataclass(frozen=True)
class Azure:
    """A running server with one empty container."""

    port: int

    @property
    def url(self) -> str:
        """The container, as Daybook is told of it."""
        return f"az://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells the clients where it is, and who they are. An emulator cannot list from some name on."""
        return {
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{self.port}",
            "AZURE_STORAGE_ACCOUNT_NAME": _ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": _KEY,
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, message or table may show."""
        return (_KEY,)

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the container; by hand, for no client but Daybook's is here."""
        self._ask(f"{BUCKET}/{key}", content, {"x-ms-blob-type": "BlockBlob"})

    def create(self) -> None:
        """Make the container."""
        self._ask(BUCKET, b"", {}, ("restype", "container"))

    def _ask(self, path: str, content: bytes, headers: dict[str, str], query: tuple[str, str] | None = None) -> None:
        """A PUT, signed as https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key has it."""
        headers = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": _VERSION}
        named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        length, kind = str(len(content) or ""), "application/octet-stream"
        of_query = "\n{}:{}".format(*query) if query else ""
        text = f"PUT\n\n\n{length}\n\n{kind}\n\n\n\n\n\n\n{named}/{_ACCOUNT}/{_ACCOUNT}/{path}{of_query}"
        signed = base64.b64encode(hmac.digest(base64.b64decode(_KEY), text.encode(), hashlib.sha256)).decode()
        url = f"http://127.0.0.1:{self.port}/{_ACCOUNT}/{path}" + ("?{}={}".format(*query) if query else "")
        headers |= {"Authorization": f"SharedKey {_ACCOUNT}:{signed}", "Content-Type": kind}
        urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PUT")).close()


@contextmanager
def server() -> Iterator[Azure]:
    """A server for as long as the block lasts."""
    started = Azure(free_port())
    with tempfile.TemporaryDirectory(prefix="azurite-") as name:
        log = Path(name, "log")
        options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [_PROGRAM, "--blobHost", "127.0.0.1", "--blobPort", str(started.port), *options],
                cwd=name,
                stdout=output,
                stderr=output,
            )
        try:
            _wait(started, process, log)
            yield started
        finally:
            process.terminate()
            process.wait(30)


def _wait(started: Azure, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it takes the container."""
    for _ in range(1_200):  # two minutes
        try:
            return started.create()
        except (urllib.error.URLError, ConnectionError):
            if process.poll() is not None:
                break
            time.sleep(0.1)
    raise RuntimeError(log.read_text()[:10_000])
