"""Where Spark is, and what is said when it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingestion.home import Home
from orchestration import spark_connection
from orchestration.engines import EngineResource
from orchestration.spark_connection import Settings, SparkUnavailable, why_unavailable

HOME = Home(Path("/srv/daybook"))
LOCAL = Settings("local[2]", "parquet", "/srv/daybook")


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENDPOINT", "FILE_FORMAT", "HOME"):
        monkeypatch.delenv(f"DAYBOOK_SPARK_{name}", raising=False)


def test_by_default_spark_is_this_machine() -> None:
    assert Settings.from_env(HOME) == LOCAL


def test_a_cluster_is_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_SPARK_ENDPOINT", "spark://10.0.0.7:7077")
    monkeypatch.setenv("DAYBOOK_SPARK_FILE_FORMAT", "delta")
    monkeypatch.setenv("DAYBOOK_SPARK_HOME", "hdfs://cluster/daybook/")
    assert Settings.from_env(HOME) == Settings("spark://10.0.0.7:7077", "delta", "hdfs://cluster/daybook")


def test_a_file_format_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_SPARK_FILE_FORMAT", "orc")
    with pytest.raises(SparkUnavailable, match="DAYBOOK_SPARK_FILE_FORMAT is 'orc'; it can be delta or parquet"):
        Settings.from_env(HOME)


@pytest.mark.parametrize("endpoint", ["bogus", "thrift://", "http://spark.example"])
def test_an_endpoint_that_is_none(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_SPARK_ENDPOINT", endpoint)
    with pytest.raises(SparkUnavailable, match=f"DAYBOOK_SPARK_ENDPOINT is '{endpoint}'; it can be local"):
        Settings.from_env(HOME)


def test_an_engine_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="DAYBOOK_ENGINE is 'sqlite'; it can be duckdb or spark"):
        EngineResource(name="sqlite").chosen(Home(tmp_path))


class TestJava:
    @pytest.fixture(autouse=True)
    def _no_java(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("JAVA_HOME", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(spark_connection, "find_spec", lambda name: object())  # the extra is installed

    def put(self, folder: Path, version: str) -> None:
        java = folder / "java"
        java.parent.mkdir(parents=True, exist_ok=True)
        java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
        java.chmod(0o755)

    def test_none(self) -> None:
        assert why_unavailable(LOCAL) == "Spark needs Java 17 or newer; there is no java on PATH and no JAVA_HOME"

    @pytest.mark.parametrize(("version", "major"), [("1.8.0_392", 8), ("11.0.21", 11)])
    def test_too_old(self, tmp_path: Path, version: str, major: int) -> None:
        self.put(tmp_path, version)
        assert why_unavailable(LOCAL) == f"Spark needs Java 17 or newer; the java found here is {major}"

    @pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
    def test_new_enough(self, tmp_path: Path, version: str) -> None:
        self.put(tmp_path, version)
        assert why_unavailable(LOCAL) is None

    def test_java_home_counts_before_the_path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(tmp_path, "11.0.21")
        self.put(tmp_path / "jdk" / "bin", "21.0.1")
        monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
        assert why_unavailable(LOCAL) is None

    @pytest.mark.parametrize("endpoint", ["sc://spark.example:15002", "thrift://spark.example:10000"])
    def test_a_server_elsewhere_brings_its_own(self, endpoint: str) -> None:
        assert why_unavailable(Settings(endpoint, "delta", "/srv/daybook")) is None

    def test_without_the_extra(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.put(tmp_path, "17.0.15")
        monkeypatch.setattr(spark_connection, "find_spec", lambda name: None)
        assert "`make spark` installs it" in (why_unavailable(LOCAL) or "")

    def test_a_home_that_spark_would_take_for_a_pattern(self, tmp_path: Path) -> None:
        self.put(tmp_path, "17.0.15")
        missing = why_unavailable(Settings("local[2]", "parquet", "/srv/daybook[1]"))
        assert missing == "Spark would take /srv/daybook[1] for a pattern: DAYBOOK_HOME must have none of *?[\\]{}"
