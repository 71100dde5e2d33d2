from __future__ import annotations

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from orchestration.resources import Alert, AlertResource, Progress, SourcesResource, dbt_executable

ALERT = Alert("Daybook: load failed", "study/2026-03-10/events.ndjson.gz: cut off", "run-1")


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, object]]]]:
    received: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/alert", received
    server.shutdown()
    server.server_close()


def test_an_alert_goes_to_the_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYBOOK_ALERT_WEBHOOK", raising=False)
    AlertResource().send(ALERT)
    assert "load failed: study/2026-03-10" in caplog.text


def test_an_alert_goes_to_the_webhook_that_is_set(
    hook: tuple[str, list[dict[str, object]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = hook
    monkeypatch.setenv("DAYBOOK_ALERT_WEBHOOK", url)
    AlertResource().send(ALERT)
    assert received == [{"title": ALERT.title, "message": ALERT.message, "run_id": "run-1"}]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "not a url"])
def test_a_webhook_that_does_not_answer_breaks_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    AlertResource(webhook=url).send(ALERT)
    assert "did not reach the webhook" in caplog.text


def test_progress_tells_now_and_then_and_the_last_line_always() -> None:
    out = io.StringIO()
    progress = Progress(out)
    progress.tell("1 of 3")
    progress.tell("2 of 3")
    progress.tell("3 of 3", last=True)
    assert out.getvalue() == "3 of 3\n"


def test_the_dbt_command_says_its_version_at_once() -> None:
    told = subprocess.run(
        [dbt_executable(), "--version"], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    assert "installed: 1.11." in told


def test_a_stream_is_told_where_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DAYBOOK_LANDING", "DAYBOOK_SOURCES"):
        monkeypatch.delenv(variable, raising=False)
    sources = SourcesResource(root=str(tmp_path))
    assert sources.told("study", "events") == "files of the landing zone"
    (tmp_path / "sources.yaml").write_text("landing: s3://${BUCKET}/landing\n")
    assert sources.told("study", "events") == "files of the landing zone s3://${BUCKET}/landing"
