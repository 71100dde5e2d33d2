"""Spark behind a Connect and a Thrift server: both are started here, in one Java, from what the extra brings along."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from ingestion.demo import generate
from ingestion.home import Home
from ingestion.load import load_extract, pending
from mastery.store import Store
from orchestration.engines import handed_over
from orchestration.manifest import PROJECT_DIR
from orchestration.resources import dbt_executable
from orchestration.spark import findings_of
from orchestration.spark_connection import Settings, why_unavailable

_MISSING = why_unavailable(Settings.from_env(Home.from_env()))
pytestmark = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The endpoints of a Thrift and a Connect server."""
    import pyspark

    folder = tmp_path_factory.mktemp("spark-server")
    thrift, connect = free_port(), free_port()
    java = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -Dderby.stream.error.file=/dev/null"
    configuration = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(connect),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": java,
        "spark.driver.host": "127.0.0.1",
        "spark.hadoop.javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={folder}/metastore;create=true",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.warehouse.dir": str(folder / "tables"),
        "spark.ui.enabled": "false",
    }
    home = Path(pyspark.__file__).parent
    command = [str(home / "bin" / "spark-submit"), "--master", "local[2]"]
    command += [word for name, value in configuration.items() for word in ("--conf", f"{name}={value}")]
    command += ["--class", "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2", "spark-internal"]
    command += ["--hiveconf", "hive.server2.thrift.bind.host=127.0.0.1"]
    command += ["--hiveconf", f"hive.server2.thrift.port={thrift}"]
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment.pop("SPARK_REMOTE", None)
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for port in (thrift, connect):
            wait_for(port, server, folder / "server.log")
        yield {"thrift": f"thrift://127.0.0.1:{thrift}", "connect": f"sc://127.0.0.1:{connect}"}
    finally:
        server.kill()  # to end in peace took it more than a minute on a machine that was busy
        server.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing answers on {port}: {log.read_text()}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    generate(home, learners=3, days=2)
    for extract in pending(home):
        load_extract(home, extract)
    Store(home).install_shipped()
    return home


def dbt(home: Home, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [dbt_executable(), *arguments, "--target-path", str(home.work / "target")],
        cwd=PROJECT_DIR,
        env={
            **os.environ,
            "DAYBOOK_ENGINE": "spark",
            "DAYBOOK_HOME": str(home.root),
            "DAYBOOK_SPARK_ENDPOINT": endpoint,
            "DBT_LOG_FORMAT": "json",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("kind", ["thrift", "connect"])
def test_models_are_built_and_handed_over(kind: str, servers: dict[str, str], home: Home) -> None:
    """Some models suffice: `tests/integration/test_parity.py` builds them all."""
    findings_of(home).unlink(missing_ok=True)
    done = dbt(home, servers[kind], "run", "--select", "+int_as_of", "+test_sessions")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(findings_of(home).read_text())
    assert found["model.daybook.int_as_of"] == {"rows": 1}
    assert "test_sessions" in handed_over(home, "test_sessions")
    # In a session where a timestamp has a zone, this column would have another type.
    with duckdb.connect() as con:
        types = dict(
            con.execute(
                f"select column_name, column_type from (describe from {handed_over(home, 'test_sessions')})"
            ).fetchall()
        )
        sessions = con.execute(
            f"select count(*), count(created_at) from {handed_over(home, 'test_sessions')}"
        ).fetchone()
    assert types["created_at"] == "TIMESTAMP"
    assert sessions == (found["model.daybook.test_sessions"]["rows"], found["model.daybook.test_sessions"]["rows"])


@pytest.mark.parametrize("scheme", ["thrift", "sc", "spark"])
def test_nobody_answers(scheme: str, home: Home) -> None:
    endpoint = f"{scheme}://127.0.0.1:{free_port()}"
    done = dbt(home, f"{endpoint}/;token=secret" if scheme == "sc" else endpoint, "run")
    assert done.returncode == 2
    [said] = [json.loads(line)["info"]["msg"] for line in done.stdout.splitlines() if line.startswith("{")]
    assert said.startswith(f"no Spark at {endpoint}: ")
    assert "secret" not in done.stdout + done.stderr
