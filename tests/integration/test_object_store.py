"""A home whose landing zone and lake are in a bucket of a real server, beside one with the same rows in folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from ingestion import ledger
from ingestion.demo import generate
from ingestion.home import Home
from orchestration import __main__ as cli
from tests import azurite
from tests.azurite import Azure
from tests.google_storage import GoogleStorage
from tests.integration.warehouse import Warehouse
from tests.object_store import BUCKET, KEY_ID, S3, s3_server

# What describes the loading and building is no function of the rows.
_ABOUT_LOADING = {"mart_catalog": {"bytes", "built_at"}, "event_ledger": {"load_id", "loaded_at"}}

# Of four systems, or of every load.
SOME = ("study_sessions", "test_sessions", "event_ledger", "draft_analytics")
_AZURE = pytest.param(
    azurite.server, marks=pytest.mark.skipif(azurite.why_missing() is not None, reason=azurite.why_missing() or "")
)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3]:
    with s3_server() as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture(params=[s3_server, partial(s3_server, GoogleStorage), _AZURE], ids=["s3", "gs", "az"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3 | Azure]:
    with request.param() as started:
        for name, value in started.environment.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The rows in folders."""
    folder = tmp_path_factory.mktemp("local")
    warehouse = Warehouse(folder / "home", folder / "target")
    generate(warehouse.home, learners=12, days=4)
    warehouse.load()
    warehouse.build()
    return warehouse


def in_bucket(root: Path, url: str) -> Path:
    """A folder that says where landing zone and lake are; what is throttled is asked for four times."""
    root.mkdir()
    places = [f"{name}: {{url: '{url}/{name}', retries: 3}}\n" for name in ("landing", "lake")]
    (root / "sources.yaml").write_text("".join(places))
    return root


def contents(warehouse: Warehouse) -> dict[str, list[str]]:
    """Every row of every mart."""
    return {
        mart: sorted(
            str([value for column, value in row.items() if column not in _ABOUT_LOADING.get(mart, ())])
            for row in warehouse.mart(mart)
            # The catalog has a hash of each mart; that of the ledger is one of its loads, too.
            if (mart, row.get("mart")) != ("mart_catalog", "event_ledger")
        )
        for mart in warehouse.marts()
    }


def test_a_bucket_gives_the_marts_that_folders_give(store: S3 | Azure, local: Warehouse, tmp_path: Path) -> None:
    """And the same on another machine, which has the lake alone."""
    expected = contents(local)
    assert all(expected[mart] for mart in SOME)

    for path in sorted(local.home.landing.rglob("*")):
        if path.is_file():
            store.put(f"landing/{path.relative_to(local.home.landing).as_posix()}", path.read_bytes())
    remote = Warehouse(in_bucket(tmp_path / "remote", store.url), local.target)
    shutil.copy(local.home.secret_key, remote.home.secret_key)
    for first in (date(2026, 1, 7), None):
        remote.load(first)
    remote.build()
    assert contents(remote) == expected
    if isinstance(store, S3):  # of Azure nobody writes down what it is asked
        commits = [asked for asked in store.asked("PUT", "_delta_log/0") if asked.path.endswith(".json")]
        assert commits and all(asked.headers.get("HTTP_IF_NONE_MATCH") == "*" for asked in commits)
    assert ledger.verify(remote.home) == []
    assert not remote.home.lake.exists() and not any(remote.home.landing.iterdir())

    elsewhere = Warehouse(in_bucket(tmp_path / "elsewhere", store.url), local.target)
    elsewhere.build(*SOME)
    found = contents(elsewhere)
    assert [found[mart] for mart in SOME] == [expected[mart] for mart in SOME]

    held = [path for home in (remote.home, elsewhere.home) for path in home.root.rglob("*") if path.is_file()]
    for secret in store.secrets:
        assert not [path for path in held if secret.encode() in path.read_bytes()]


def test_a_night_says_what_a_bucket_refuses(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And writes no demo into one that is empty."""
    home = Home(in_bucket(tmp_path / "home", s3.url))
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    monkeypatch.setenv("DAGSTER_HOME", "")

    def said() -> str:
        assert cli.main(["nightly"]) == 1
        return capsys.readouterr().out

    assert f"no extract found in s3://{BUCKET}/landing/" in said()
    s3.throttle("prefix=landing", 1000)
    assert said() == f"s3://{BUCKET}/landing: the store answers 503 SlowDown, after 3 retries\n"
    s3.throttle("prefix=landing", 0)
    s3.throttle("/lake/", 1000)
    refused = said()
    assert refused.startswith(f"make nightly: s3://{BUCKET}/lake/")
    assert "the store answers 503 SlowDown, after 3 retries. What is published is as it was" in refused
    s3.throttle("/lake/", 0)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "")
    monkeypatch.setenv("DAYBOOK_LANDING", f"s3://{BUCKET}/landing?key={KEY_ID}")
    assert cli.main(["nightly"]) == 2
    assert capsys.readouterr().out.startswith("DAYBOOK_LANDING: a url has no credentials in it")
