"""The data tests of a `dbt build` look at what is news to them, and those of a `dbt test` at all rows."""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.manifest import prepare
from tests.integration.warehouse import PROJECT, Rows, Warehouse
from tests.reference.histories import History, history

ALL_TESTS = ("build", "--resource-type", "test")
UNIQUE_SESSIONS = "primary_key_study_sessions_session_id"
UNIQUE_EVENTS = "primary_key_stg_study__events_event_id"
BY_USER_DAY = "attempts_agree_by_user_day"
BY_TOPIC_DAY = "attempts_agree_by_topic_day"

# Models whose changed rows are lost, or set to what cannot be; and the singular tests that have to see it.
LOST = ""
CORRUPTIONS = (
    (
        {
            "question_attempts": LOST,
            "question_visits": LOST,
            "funnel_attempts": LOST,
            "recommendation_funnel": LOST,
            "chapter_daily_stats": LOST,
            "base_assessment__test_sessions": LOST,
            "test_sessions": "questions_answered = questions_in_session + 1",
            "knowledge_gap_spells": "resolved_on = opened_on",
        },
        {
            "attempts_agree_by_question",
            "attempts_agree_by_session",
            BY_TOPIC_DAY,
            BY_USER_DAY,
            "attempts_agree_by_user_topic",
            "attempts_agree_with_first_steps",
            "errors_agree_by_date",
            "every_test_session_has_its_row",
            "funnel_events_agree_by_date",
            "gap_spells_are_apart",
            "predictions_agree_with_attempts",
            "taps_agree_with_the_funnel",
            "test_session_status_is_consistent",
            "textbook_totals_agree_by_date",
            "views_agree_by_question",
            "views_agree_by_session",
        },
    ),
    (
        {"study_sessions": LOST, "weekly_user_stats": LOST},
        {
            "active_seconds_agree_by_user",
            "active_seconds_agree_with_user_totals",
            "reading_seconds_agree_with_weeks",
            "session_totals_agree_by_user",
            "sessions_agree_by_user",
            "sessions_started_agree_by_user_day",
            "totals_agree_by_user_week",
        },
    ),
    (
        {"daily_user_stats": LOST, "study_sessions": "ended_at = started_at - interval 1 second"},
        {
            "coach_and_searches_agree_by_date",
            "reading_seconds_agree_by_date",
            "reading_seconds_agree_by_user",
            "reading_seconds_agree_with_user_totals",
            "session_times_are_consistent",
            "totals_agree_by_user",
            "xp_agrees_by_user",
        },
    ),
)


@pytest.fixture(scope="module")
def world() -> History:
    return history(5, nights=4, snapshots=True, learners=16)


@pytest.fixture(scope="module")
def nodes() -> dict[str, Any]:
    """What dbt knows of its project, by the name that it gives each thing."""
    found: dict[str, Any] = prepare().manifest["nodes"]
    return found


@pytest.fixture(scope="module")
def untested(world: History, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """Two nights of models alone."""
    root = tmp_path_factory.mktemp("untested")
    warehouse = Warehouse(root / "home", target=root / "target")
    warehouse.promote(world.champion())
    for night in islice(world, 2):
        night.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build()
    return warehouse


@pytest.fixture(scope="module")
def waiting(untested: Warehouse, world: History, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """The tests passed then, and two more nights of models alone came."""
    warehouse = copy_of(untested, tmp_path_factory.mktemp("waiting"))
    warehouse.dbt(*ALL_TESTS)
    for night in world:
        night.write(warehouse.home.landing)
        warehouse.load()
        warehouse.build()
    return warehouse


@pytest.fixture(scope="module")
def passed(waiting: Warehouse, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """And the tests passed what came: news of two nights, with all that goes wrong in deliveries."""
    warehouse = copy_of(waiting, tmp_path_factory.mktemp("passed"))
    warehouse.dbt(*ALL_TESTS)
    return warehouse


def copy_of(warehouse: Warehouse, root: Path, project: Path = PROJECT) -> Warehouse:
    target = warehouse.target if project == PROJECT else root / "target"
    copy = Warehouse(root / "home", target=target, project=project)
    shutil.copytree(warehouse.home.root, copy.home.root, dirs_exist_ok=True)
    return copy


def status(warehouse: Warehouse, command: str, *tests: str) -> dict[str, str]:
    """Run tests alone, and tell of each whether it passed. Behind one that fails, `build` skips others."""
    told = warehouse.dbt(command, "--select", *tests, may_fail=True)
    return {test: told[test] for test in tests}


def found_by(warehouse: Warehouse, test: str) -> Rows:
    """What a test found, as whoever looks for the fault sees it: by its query, behind the run."""
    [compiled] = warehouse.target.glob(f"compiled/daybook/**/{test}.sql")
    return warehouse.query(compiled.read_text())


def change(warehouse: Warehouse, statement: str) -> None:
    """Change the databases by hand: no night does it, and no log tells of it."""
    with duckdb.connect() as con:
        con.execute(f"attach '{warehouse.home.marts}' as daybook; attach '{warehouse.home.warehouse}' as warehouse")
        assert con.execute(statement).fetchone() != (0,), f"nothing is changed by: {statement}"


def logged(warehouse: Warehouse) -> dict[str, list[int]]:
    """Which batches the logs have, by model, and those of its touched dates."""
    tables = warehouse.query("""
        select database_name || '.keyed.' || table_name as name, replace(table_name, '__changes', '') as model
        from duckdb_tables() where schema_name = 'keyed' and contains(table_name, '__changes')""")
    assert len(tables) > 50
    entries = [f"select '{table['model']}' as model, batch from {table['name']}" for table in tables]
    entries += [
        f"select 'dates of ' || model, batch from {file}.keyed.touched_dates" for file in ("daybook", "warehouse")
    ]
    batches = "list(distinct batch order by batch) as batches"
    rows = warehouse.query(f"select model, {batches} from ({' union all '.join(entries)}) group by model")
    return {row["model"]: row["batches"] for row in rows}


def test_what_no_log_tells_is_seen_where_all_rows_are_looked_at(passed: Warehouse, tmp_path: Path) -> None:
    """A test that failed looks at all rows until it passes, and then at news again."""
    warehouse = copy_of(passed, tmp_path)
    twice = "insert into daybook.marts.study_sessions from daybook.marts.study_sessions limit 1"
    change(warehouse, twice)
    assert status(warehouse, "build", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "pass"}
    assert status(warehouse, "test", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "fail"}
    assert status(warehouse, "build", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "fail"}
    assert status(warehouse, "build", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "fail"}
    sessions = "daybook.marts.study_sessions"
    change(warehouse, f"delete from {sessions} where rowid = (select max(rowid) from {sessions})")
    assert status(warehouse, "build", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "pass"}
    change(warehouse, twice)
    assert status(warehouse, "build", UNIQUE_SESSIONS) == {UNIQUE_SESSIONS: "pass"}


USER = "(select min(user_id) from daybook.marts.study_sessions)"
OTHER_USER = "(select max(user_id) from daybook.marts.study_sessions)"
OTHER_SESSION = f"(select min(session_id) from daybook.marts.study_sessions where user_id = {OTHER_USER})"


@pytest.mark.parametrize(
    ("test", "otherwise"),
    [
        pytest.param(UNIQUE_SESSIONS, "session_id as session_id", id="a duplicate"),
        pytest.param(UNIQUE_SESSIONS, f"{OTHER_SESSION} as session_id", id="a duplicate of a row that did not change"),
        pytest.param(UNIQUE_SESSIONS, "null as session_id", id="a primary key that is null"),
        pytest.param("active_seconds_agree_by_user", "1 as active_seconds", id="sums that do not agree"),
    ],
)
def test_what_a_log_tells_is_seen_by_the_next_build(
    passed: Warehouse, tmp_path: Path, test: str, otherwise: str
) -> None:
    """A row too many, of a user of whom the log has an entry: a batch above the one that was passed.

    What it found can be looked at behind the run. Then it looks at all rows, and no log waits for it.
    """
    warehouse = copy_of(passed, tmp_path)
    change(
        warehouse,
        f"""insert into daybook.marts.study_sessions
            select * replace ({otherwise}) from daybook.marts.study_sessions where user_id = {USER} limit 1""",
    )
    assert status(warehouse, "build", test) == {test: "pass"}
    change(warehouse, "update daybook.keyed.builds set batch = batch + 1 where model = 'study_sessions'")
    change(
        warehouse,
        f"""insert into daybook.keyed.study_sessions__changes by name
            select batch, {USER} as user_id from daybook.keyed.builds where model = 'study_sessions'""",
    )
    assert status(warehouse, "build", test) == {test: "fail"}
    assert found_by(warehouse, test)
    assert status(warehouse, "build", test) == {test: "fail"}
    assert warehouse.query(f"from daybook.keyed.passed where contains(test, '.{test}')") == []


def test_rows_are_read_on_the_dates_that_a_night_has_noted(waiting: Warehouse, tmp_path: Path) -> None:
    """A twin on another date is left to `dbt test`."""
    event = """
        (select min(event_id) from warehouse.staging.stg_study__events
         where event_id in (select event_id from warehouse.keyed.base_study__events__changes))"""
    again = f"""insert into warehouse.staging.base_study__events select * replace ({{}} as event_date)
        from warehouse.staging.base_study__events where event_id = {event} and copy_status = 'kept'"""
    warehouse = copy_of(waiting, tmp_path / "elsewhere")
    change(warehouse, again.format("date '2020-01-01'"))
    assert status(warehouse, "build", UNIQUE_EVENTS) == {UNIQUE_EVENTS: "pass"}
    assert status(warehouse, "test", UNIQUE_EVENTS) == {UNIQUE_EVENTS: "fail"}
    warehouse = copy_of(waiting, tmp_path / "there")
    change(warehouse, again.format("event_date"))
    assert status(warehouse, "build", UNIQUE_EVENTS) == {UNIQUE_EVENTS: "fail"}


def test_conditions_are_asked_of_the_rows_on_these_dates(waiting: Warehouse, tmp_path: Path) -> None:
    """And of all rows of a model without a date."""
    of_days, of_sessions = "daily_user_stats_conditions", "study_sessions_conditions"
    noted = "(select min(date) from daybook.keyed.touched_dates where model = 'daily_user_stats')"
    broken = """insert into daybook.marts.daily_user_stats
        select * replace (-1 as active_seconds, {} as date) from daybook.marts.daily_user_stats limit 1"""
    warehouse = copy_of(waiting, tmp_path / "elsewhere")
    change(warehouse, broken.format("date '2020-01-01'"))
    assert status(warehouse, "build", of_days) == {of_days: "pass"}
    assert status(warehouse, "test", of_days) == {of_days: "fail"}
    warehouse = copy_of(waiting, tmp_path / "there")
    change(warehouse, broken.format(noted))
    change(warehouse, "update daybook.marts.study_sessions set active_seconds = -1 where active_seconds > 0")
    assert status(warehouse, "build", of_days) == {of_days: "fail"}
    assert status(warehouse, "build", of_sessions) == {of_sessions: "fail"}


@pytest.mark.parametrize(("corrupted", "tests"), CORRUPTIONS)
def test_singular_tests_see_what_nights_have_changed(
    waiting: Warehouse, tmp_path: Path, nodes: dict[str, Any], corrupted: dict[str, str], tests: set[str]
) -> None:
    warehouse = copy_of(waiting, tmp_path)
    for model, assigned in corrupted.items():
        node = nodes[f"model.daybook.{model}"]
        key = ", ".join(node["config"]["meta"]["keyed"]["key"])
        deed = f"update {{}} set {assigned}" if assigned else "delete from {}"
        changed = f"({key}) in (select ({key}) from {node['database']}.keyed.{model}__changes)"
        change(warehouse, f"{deed.format(node['database'] + '.' + node['schema'] + '.' + model)} where {changed}")
    unseen = set(tests)
    while unseen:
        seen = {test for test, told in status(warehouse, "build", *unseen).items() if told == "fail"}
        assert seen, f"{unseen} see nothing"
        unseen -= seen


def test_every_singular_test_of_news_is_among_them(nodes: dict[str, Any]) -> None:
    of_news = {
        node["name"] for node in nodes.values() if node["resource_type"] == "test" and "keyed" in node["config"]["meta"]
    }
    assert of_news == {test for _, tests in CORRUPTIONS for test in tests}


def test_users_who_share_a_session_are_looked_at_whoever_of_them_changed(passed: Warehouse, tmp_path: Path) -> None:
    """They are compared as one."""
    warehouse = copy_of(passed, tmp_path)
    test = "session_totals_agree_by_user"
    sharing = """
        select user_id from warehouse.intermediate.int_study__session_events
        where session_id in (select session_id from warehouse.intermediate.int_study__sessions where users > 1)"""
    change(warehouse, f"delete from daybook.marts.daily_user_stats where user_id not in ({sharing})")
    assert status(warehouse, "build", test) == {test: "pass"}
    change(warehouse, f"delete from daybook.marts.daily_user_stats where user_id in ({sharing})")
    assert status(warehouse, "build", test) == {test: "fail"}


def test_no_test_looks_at_an_entry_twice(waiting: Warehouse, tmp_path: Path) -> None:
    """The log still has what it passed, for others have not."""
    warehouse = copy_of(waiting, tmp_path)
    assert status(warehouse, "build", BY_USER_DAY) == {BY_USER_DAY: "pass"}
    assert logged(warehouse)["question_attempts"] == logged(waiting)["question_attempts"]
    change(warehouse, "delete from daybook.marts.question_attempts")
    assert status(warehouse, "build", BY_USER_DAY, BY_TOPIC_DAY) == {BY_USER_DAY: "pass", BY_TOPIC_DAY: "fail"}


def test_a_model_that_was_built_in_full_is_looked_at_in_full(passed: Warehouse, tmp_path: Path) -> None:
    warehouse = copy_of(passed, tmp_path)
    change(warehouse, "delete from daybook.marts.question_attempts")
    assert status(warehouse, "build", BY_USER_DAY) == {BY_USER_DAY: "pass"}
    warehouse.dbt("run", "--full-refresh", "--select", "daily_user_stats")
    assert status(warehouse, "build", BY_USER_DAY) == {BY_USER_DAY: "fail"}


def test_a_test_whose_code_changed_looks_at_all_rows(passed: Warehouse, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns("target", "logs"))
    with (project / "tests" / "study" / f"{BY_USER_DAY}.sql").open("a") as code:
        code.write("-- Changed.\n")
    warehouse = copy_of(passed, tmp_path, project)
    change(warehouse, "delete from daybook.marts.question_attempts")
    assert status(warehouse, "build", BY_USER_DAY, BY_TOPIC_DAY) == {BY_USER_DAY: "fail", BY_TOPIC_DAY: "pass"}


def test_logs_wait_for_the_tests_that_have_passed_once(
    untested: Warehouse, waiting: Warehouse, passed: Warehouse
) -> None:
    """And for none where no test has ever run."""
    assert logged(untested) == {}
    waited_for = logged(waiting)
    for model in ("base_study__events", "dates of base_study__events", "question_attempts", "user_learning_metrics"):
        assert len(waited_for[model]) == 2, model
    assert logged(passed) == {}
