"""The definitions as the server loads them."""

from __future__ import annotations

import ast
import socket
from graphlib import TopologicalSorter
from pathlib import Path

import dagster as dg
import pytest
from dagster_dbt import DbtCliResource

from ingestion.contract import load_contracts
from orchestration import manifest
from orchestration.definitions import build_defs, defs
from orchestration.jobs import LOAD, MASTERY, REBUILD, TRANSFORM
from orchestration.resources import HomeResource

STREAMS = {dg.AssetKey([s.system, s.name]) for c in load_contracts().values() for s in c.streams}
MARTS = {
    dg.AssetKey(["marts", name])
    for name in (
        "study_sessions",
        "question_attempts",
        "material_interactions",
        "daily_user_stats",
        "weekly_user_stats",
        "topic_daily_stats",
        "topics",
        "user_learning_metrics",
        "user_gamification",
        "question_stats",
        "attempt_predictions",
        "topic_mastery",
        "topic_mastery_daily",
        "mastery_evaluation",
        "knowledge_gaps",
        "knowledge_gap_spells",
        "mart_as_of",
        "ai_coach_daily_stats",
        "ai_model_daily_stats",
        "search_daily_stats",
        "funnel_attempts",
        "funnel_daily",
        "recommendation_funnel",
        "test_sessions",
        "question_visits",
        "assessment_question_stats",
        "draft_analytics",
        "collaborator_analytics",
        "leaderboard",
        "chapter_daily_stats",
        "ai_block_daily_stats",
        "error_daily_stats",
        "event_ledger",
        "telemetry_quality_daily",
        "mart_catalog",
    )
}


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_defs()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {spec.key: spec for spec in definitions.resolve_all_asset_specs()}


def keys_of(definitions: dg.Definitions, job: str) -> set[dg.AssetKey]:
    return set(definitions.resolve_job_def(job).asset_layer.selected_asset_keys)


def checks_of(definitions: dg.Definitions) -> dict[str, dg.AssetCheckSpec]:
    holders = [
        held for held in [*definitions.assets, *definitions.asset_checks] if isinstance(held, dg.AssetsDefinition)
    ]
    return {f"{spec.asset_key.to_user_string()}:{spec.name}": spec for held in holders for spec in held.check_specs}


def test_they_load_as_the_server_loads_them() -> None:
    dg.Definitions.validate_loadable(defs())


def test_loading_takes_no_network_no_home_and_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build_defs()  # what has to be compiled is compiled

    def refuse(*args: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path / "home"))
    dg.Definitions.validate_loadable(build_defs())
    assert not (tmp_path / "home").exists()


def test_there_is_an_asset_for_each_stream_and_mart(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    assert graph.keys() >= STREAMS | MARTS | {dg.AssetKey("published_marts")}


def test_the_graph_reads_well(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    for key, spec in graph.items():
        assert spec.group_name != "default", key
        assert spec.description, key
        assert spec.kinds, key
        assert spec.owners, key  # the published marts and the lake's own tables had none


def test_the_groups_follow_each_other_in_one_direction(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    """Streams, models and books once shared groups: the collapsed graph had arrows both ways."""
    group = {key: spec.group_name or "" for key, spec in graph.items()}
    behind = {
        name: {group[dep.asset_key] for key, spec in graph.items() if group[key] == name for dep in spec.deps} - {name}
        for name in group.values()
    }
    assert list(TopologicalSorter(behind).static_order()).index("lake") == 0  # a cycle raises


def test_streams_and_models_are_one_graph(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    used = {dep.asset_key for spec in graph.values() for dep in spec.deps}
    assert used >= STREAMS
    assert used <= graph.keys()


def test_streams_are_partitioned_by_extract_date_and_models_are_not(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    partitioned = {key for key, spec in graph.items() if spec.partitions_def is not None}
    assert partitioned == STREAMS


def test_columns_and_their_lineage_are_known_before_anything_ran(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    for key in STREAMS | MARTS:
        schema = graph[key].metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert all(column.description for column in schema.columns), key
    sessions = graph[dg.AssetKey(["marts", "study_sessions"])].metadata["dagster/column_lineage"]
    assert isinstance(sessions, dg.TableColumnLineage)
    assert "active_seconds" in sessions.deps_by_column


def test_the_published_file_stands_behind_every_mart(graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    assert {dep.asset_key for dep in graph[dg.AssetKey("published_marts")].deps} == MARTS


def test_the_jobs(definitions: dg.Definitions, graph: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    assert keys_of(definitions, LOAD) == STREAMS
    assert keys_of(definitions, TRANSFORM) == keys_of(definitions, REBUILD) >= MARTS | {dg.AssetKey("published_marts")}
    assert not keys_of(definitions, TRANSFORM) & STREAMS
    assert keys_of(definitions, MASTERY) == {dg.AssetKey("mastery_model")}


def test_mastery_is_fitted_on_attempts_and_checked(
    definitions: dg.Definitions, graph: dict[dg.AssetKey, dg.AssetSpec]
) -> None:
    model = graph[dg.AssetKey("mastery_model")]
    assert [dep.asset_key for dep in model.deps] == [dg.AssetKey(["marts", "question_attempts"])]
    assert (model.group_name, bool(model.owners)) == ("mastery", True)
    assert not checks_of(definitions)["mastery_model:mastery_beats_naive_methods"].blocking
    steps = {node.name for node in definitions.resolve_job_def(MASTERY).nodes}
    assert steps == {"mastery_model", "mastery_model_mastery_beats_naive_methods"}


def test_streams_and_ledger_are_checked(definitions: dg.Definitions) -> None:
    checks = checks_of(definitions)
    for name in ("ledger_balances", "rejection_rate", "extract_present", "freshness", "schema_drift"):
        assert f"study/events:{name}" in checks
    for name in ("books_balance", "duplicates", "conflicts"):
        assert f"marts/event_ledger:{name}" in checks
        assert f"marts__event_ledger_{name}" in {node.name for node in definitions.resolve_job_def(TRANSFORM).nodes}
    assert "marts/recommendation_funnel:collapsed_events" in checks
    for alert in (
        "rejection_rate_alert", "delivery_lag_alert", "batch_size_alert", "missing_seq_alert", "clock_skew_alert",
        "clock_ahead_alert", "late_rate_alert", "source_volume_alert", "filled_fields_alert",
    ):  # fmt: skip
        assert f"marts/telemetry_quality_daily:{alert}" in checks
    for alert in ("volume_alert", "event_type_volume_alert", "rejections_alert"):
        assert f"marts/event_ledger:{alert}" in checks
    assert "marts/question_attempts:reported_attempts_drift" in checks
    assert "marts/user_gamification:reported_xp_drift" in checks
    assert "staging/stg_operations__failed_loads:failed_loads_alert" in checks


def test_what_has_to_block_blocks(definitions: dg.Definitions) -> None:
    blocking = {name for name, spec in checks_of(definitions).items() if spec.blocking}
    assert {"study/events:ledger_balances", "marts/event_ledger:books_balance"} <= blocking
    assert {name for name in blocking if name.startswith("marts/study_sessions:")}  # dbt's tests


def test_every_check_says_what_it_checks(definitions: dg.Definitions) -> None:
    assert [name for name, spec in checks_of(definitions).items() if not spec.description] == []


def test_a_mart_built_alone_is_checked_by_its_own_tests(
    definitions: dg.Definitions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every test that touches the mart ran, those of other models too, each with a warning in the run's log.

    A full run leaves no test out.
    """
    asked: list[str] = []

    def cli(self: object, args: list[str], **_: object) -> None:
        asked[:] = args
        raise dg.Failure("that is all")

    monkeypatch.setattr(DbtCliResource, "cli", cli)
    monkeypatch.setenv("DAYBOOK_HOME", str(tmp_path))
    mart = dg.AssetKey(["marts", "study_sessions"])
    dbt_checks = {
        spec.name: spec.asset_key
        for held in definitions.assets or () if isinstance(held, dg.AssetsDefinition) and mart in held.keys
        for spec in held.check_specs
    }  # fmt: skip
    job = definitions.resolve_job_def(TRANSFORM)
    job.execute_in_process(raise_on_error=False, asset_selection=[mart])
    left_out = set(asked[asked.index("--exclude") + 1].split())
    assert left_out == {name for name, key in dbt_checks.items() if key != mart}
    assert mart in dbt_checks.values()
    job.execute_in_process(raise_on_error=False)
    assert "build" in asked
    assert "--exclude" not in asked


# Its SQL is made of all other marts, so that given rows would be all of theirs: `catalog_lists_what_is_published` and
# the integration tests compare it with what is published.
WITHOUT_UNIT_TEST = {"mart_catalog"}


def test_every_mart_has_an_owner_a_user_and_a_unit_test() -> None:
    """Each of the three was there by habit: a mart without one of them would have passed every test."""
    project = manifest.prepare().manifest
    marts = {node["unique_id"]: node for node in manifest.marts_of(project)}
    assert {dg.AssetKey(["marts", node["name"]]) for node in marts.values()} == MARTS
    assert all("@" in manifest.owner_of(project, node["group"]) for node in marts.values())
    used = {used for exposure in project["exposures"].values() for used in exposure["depends_on"]["nodes"]}
    tested = {test["depends_on"]["nodes"][0] for test in project["unit_tests"].values()}
    assert [marts[mart]["name"] for mart in marts.keys() - used] == []
    assert {marts[mart]["name"] for mart in marts.keys() - tested} == WITHOUT_UNIT_TEST


def test_what_a_model_follows_is_built_before_it() -> None:
    """A producer that a model followed and did not read was built beside it: its changes came a night late, or not."""
    nodes = manifest.prepare().manifest["nodes"]

    def upstream(unique_id: str) -> set[str]:
        found: set[str] = set()
        to_visit = [unique_id]
        while to_visit:
            parents = set(nodes[to_visit.pop()]["depends_on"].get("nodes", [])) & nodes.keys() - found
            found |= parents
            to_visit += parents
        return {nodes[parent]["name"] for parent in found}

    early = {}
    for unique_id, node in nodes.items():
        keyed = node["config"].get("meta", {}).get("keyed", {})
        looked_at = {*keyed.get("follows", {}), *(keyed.get("dates_in") or {})} - {node["name"]}
        early[node["name"]] = looked_at - upstream(unique_id)
    assert "knowledge_gap_spells" in early
    assert {name: producers for name, producers in early.items() if producers} == {}


def test_a_test_of_news_follows_all_keyed_models_that_it_reads() -> None:
    """One that it read and did not follow could change and not be looked at."""
    nodes = manifest.prepare().manifest["nodes"]

    def behind(unique_id: str) -> set[str]:
        """The keyed models that it reads, through views too."""
        found: set[str] = set()
        for parent in nodes.keys() & set(nodes[unique_id]["depends_on"]["nodes"]):
            materialized = nodes[parent]["config"]["materialized"]
            found |= {nodes[parent]["name"]} if materialized == "keyed" else set()
            found |= behind(parent) if materialized == "view" else set()
        return found

    tests = {
        unique_id: node["config"]["meta"]["keyed"]["follows"]
        for unique_id, node in nodes.items()
        if node["resource_type"] == "test" and "keyed" in node["config"]["meta"]
    }
    assert len(tests) > 20
    for unique_id, follows in tests.items():
        assert behind(unique_id) == follows.keys(), unique_id


def test_the_weekly_fit_is_on_and_waits_for_marts(definitions: dg.Definitions, tmp_path: Path) -> None:
    weekly = definitions.get_schedule_def("weekly_mastery")
    assert (weekly.cron_schedule, weekly.execution_timezone) == ("0 4 * * 0", "UTC")
    assert weekly.job_name == MASTERY
    assert weekly.default_status is dg.DefaultScheduleStatus.RUNNING
    context = dg.build_schedule_context(resources={"home": HomeResource(root=str(tmp_path))})
    assert isinstance(weekly(context), dg.SkipReason)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "daybook.duckdb").touch()
    assert isinstance(weekly(context), dg.RunRequest)


def test_the_schedule_is_on(definitions: dg.Definitions) -> None:
    nightly = definitions.get_schedule_def("nightly")
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("0 2 * * *", "UTC")
    assert nightly.job_name == LOAD
    assert nightly.default_status is dg.DefaultScheduleStatus.RUNNING


@pytest.mark.parametrize("name", ["extracts_arrived", "marts_behind_lake", "alert_on_failure"])
def test_the_sensors_are_on(definitions: dg.Definitions, name: str) -> None:
    assert definitions.get_sensor_def(name).default_status is dg.DefaultSensorStatus.RUNNING


def test_only_public_interfaces_of_dagster_are_used() -> None:
    for path in Path(build_defs.__code__.co_filename).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(part.startswith("_") and part != "__future__" for m in modules for part in m.split(".")), (
                path
            )
