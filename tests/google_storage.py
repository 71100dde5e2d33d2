"""Google's object store of the tests' own: the server of `object_store`.

Google's XML interface, which Daybook's clients speak, is that of S3; what differs is said here: who asks, and the
condition on which something is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.object_store import BUCKET, KEY_ID, S3

_PRIVATE_KEY = "the private key of the tests"
# Whom the server takes Google's caller for: it asks for a name, and not for a signature.
_CALLER = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/eu-central-1/s3/aws4_request, SignedHeaders=host, Signature=0"
# Google's clients escape these in a path; the server takes a name as it stands there.
_ESCAPES = {"%2D": "-", "%2E": ".", "%2F": "/", "%5F": "_"}


class GoogleStorage(S3):
    """A running server with one empty bucket."""

    @property
    def url(self) -> str:
        """The bucket, as Daybook is told of it."""
        return f"gs://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells the clients where it is, in the place of a service account's key, and not to ask Google for it."""
        account = {
            "gcs_base_url": self.endpoint,
            "disable_oauth": True,
            "client_email": "daybook@tests.example",
            "private_key": _PRIVATE_KEY,
            "private_key_id": KEY_ID,
        }
        return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account), "GOOGLE_ALLOW_HTTP": "true"}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, message or table may show."""
        return KEY_ID, _PRIVATE_KEY

    def _app(self, moto: Any) -> Any:
        answer = super()._app(moto)

        def translated(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            if environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH") == "0":  # only where there is nothing yet
                environ["HTTP_IF_NONE_MATCH"] = "*"
            if not environ.get("HTTP_AUTHORIZATION", "").startswith("AWS4"):  # as the tests' own client has it
                environ["HTTP_AUTHORIZATION"] = _CALLER
            for name in ("RAW_URI", "REQUEST_URI"):
                path, mark, query = environ[name].partition("?")
                for escape, character in _ESCAPES.items():
                    path = path.replace(escape, character)
                environ[name] = path + mark + query
            result: Iterable[bytes] = answer(environ, start)
            return result

        return translated
