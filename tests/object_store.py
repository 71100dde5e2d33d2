"""An S3 of the tests' own: moto's server in this process, on a free port, that can be told to throttle.

What it is asked is written down, so that a test can say how much that was.
"""

from __future__ import annotations

import logging
import threading
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "daybook-tests"
KEY_ID, SECRET = "AKIAKEYOFTHETESTS", "secret/of+the+tests"


@dataclass(frozen=True)
class Request:
    """What was asked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]


@dataclass
class S3:
    """A running server with one empty bucket."""

    port: int
    requests: list[Request] = field(default_factory=list)
    _refused: dict[str, tuple[int, str]] = field(default_factory=dict)
    _lost: dict[str, int] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The bucket, as Daybook is told of it."""
        return f"s3://{BUCKET}"

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What tells the clients where it is, and who they are."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no log, message or table may show."""
        return KEY_ID, SECRET

    @cached_property
    def client(self) -> Any:
        """Another client than Daybook's: for what a producer does."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="eu-central-1",
            aws_access_key_id=KEY_ID,
            aws_secret_access_key=SECRET,
        )

    def put(self, key: str, content: bytes) -> None:
        """Put an object into the bucket."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)

    def keys(self, prefix: str = "") -> list[str]:
        """The objects of the bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def throttle(self, part: str, times: int, status: str = "503 Slow Down") -> None:
        """Refuse so many requests, from now on, whose path or query holds the text."""
        self._refused[part] = times, status

    def lose_answers(self, part: str, times: int) -> None:
        """Do what is asked, and answer with an error: so many times, where a PUT's path holds the text."""
        self._lost[part] = times

    def asked(self, method: str, part: str = "") -> list[Request]:
        """The requests of a method whose path or query holds a text."""
        return [found for found in self.requests if found.method == method and part in f"{found.path}?{found.query}"]

    def _app(self, moto: Any) -> Any:
        def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
            headers = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
            asked = Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers)
            self.requests.append(asked)
            for part, (times, status) in self._refused.items():
                if times > 0 and part in f"{asked.path}?{asked.query}":
                    self._refused[part] = times - 1, status
                    start(status, [("Content-Type", "application/xml")])
                    return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
            for part, times in self._lost.items():
                if times > 0 and asked.method == "PUT" and part in asked.path:
                    self._lost[part] = times - 1
                    list(moto(environ, lambda *_: None))
                    start("500 Internal Server Error", [("Content-Type", "application/xml")])
                    return [b"<Error><Code>InternalError</Code></Error>"]
            return moto(environ, start)

        return answer


_Store = TypeVar("_Store", bound=S3)


@contextmanager
def s3_server(kind: type[_Store] = S3) -> Iterator[_Store]:
    """A server for as long as the block lasts; of what has its interface in some other form, if it is told so."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    started = kind(0)
    server = make_server("127.0.0.1", 0, started._app(DomainDispatcherApplication(create_backend_app)), threaded=True)
    started.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        empty(started)
        yield started
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def empty(server: S3) -> None:
    """Throw away what lies in the bucket, and forget what was asked, and what is to be refused or lost."""
    server._refused.clear()
    server._lost.clear()
    urllib.request.urlopen(urllib.request.Request(f"{server.endpoint}/moto-api/reset", method="POST")).close()
    region = {"LocationConstraint": "eu-central-1"}
    server.client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=region)
    server.requests.clear()
