"""The configuration of sources: what it says, and what it says of its errors."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ingestion.__main__ import main
from ingestion.home import Home
from ingestion.sources import BucketSource, DatabaseSource, Sources, SourcesError, load_sources

WHOLE = """\
study:
  events: &app
    kind: database
    url: postgresql://daybook:${APP_PASSWORD}@db.example:5432/app?sslmode=require
    table: public.study_events
    received_at: received_at
    from: 2026-01-05
    to: 2026-06-30
    key: [event_id]
    columns: {properties: payload}
    ignore: [id]
    grace_minutes: 30
    recheck_days: 3
    connect_timeout: 5
    statement_timeout: 60
    retries: 0
  topics:
    kind: database
    url: ${APP_URL}
    query: |
      select * from topics;
  questions:
    kind: files
textbook:
  events:
    <<: *app
    table: textbook_events
    columns: {}
"""


def told(home: Home, text: str) -> list[str]:
    """What is said of a configuration."""
    home.root.mkdir(parents=True, exist_ok=True)
    home.sources.write_text(text)
    with pytest.raises(SourcesError) as error:
        load_sources(home)
    return str(error.value).splitlines()


def option(home: Home, line: str, lacking: str = "") -> list[str]:
    """What is said of one stream with a line more, and without the lines of an option; that line is the 9th or 8th."""
    lines = [
        "study:",
        "  events:",
        "    kind: database",
        "    url: ${APP_URL}",
        "    table: study_events",
        "    received_at: received_at",
        "    from: 2026-01-05",
    ]
    return told(home, "\n".join([*(kept for kept in lines if not lacking or lacking not in kept), f"    {line}"]))


def test_says_where_each_stream_is_read(home: Home) -> None:
    home.root.mkdir(parents=True)
    home.sources.write_text(WHOLE)
    found = load_sources(home).databases
    assert sorted(found) == [("study", "events"), ("study", "topics"), ("textbook", "events")]
    assert found["study", "events"] == DatabaseSource(
        url="postgresql://daybook:${APP_PASSWORD}@db.example:5432/app?sslmode=require",
        table="public.study_events",
        received_at="received_at",
        first=date(2026, 1, 5),
        last=date(2026, 6, 30),
        key=("event_id",),
        columns=(("properties", "payload"),),
        ignore=("id",),
        grace_minutes=30,
        recheck_days=3,
        connect_timeout=5,
        statement_timeout=60,
        retries=0,
    )
    assert found["study", "topics"] == DatabaseSource("${APP_URL}", query="select * from topics")
    assert found["textbook", "events"].statement_timeout == 60


def test_without_a_file_every_stream_comes_in_files(home: Home) -> None:
    assert not load_sources(home).databases


def test_the_environment_may_name_another_file(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_SOURCES", str(tmp_path / "elsewhere.yaml"))
    with pytest.raises(SourcesError, match=r"elsewhere\.yaml: no such file, and DAYBOOK_SOURCES names it"):
        load_sources(home)
    (tmp_path / "elsewhere.yaml").write_text(WHOLE)
    assert len(load_sources(home).databases) == 3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tabel: x", '8: study.events: unknown option "tabel"; is "table" meant?'),
        ("query: select 1", "2: study.events: needs one of table and query"),
        ("retries: many", "8: study.events: retries must be a whole number"),
        ("retries: -1", "8: study.events: retries must be 0 or more"),
        ("connect_timeout: 0", "8: study.events: connect_timeout must be 1 or more"),
        ("connect_timeout: true", "8: study.events: connect_timeout must be a whole number"),
        ("key: event_id", "8: study.events: key must be a list of names"),
        ("columns: [id]", "8: study.events: columns must be a mapping of fields to columns"),
        ("columns: {evnt_id: id}", '8: study.events: events has no field "evnt_id"; is "event_id" meant?'),
        (
            "columns: {event_ts: at, client_ts: at}",
            "8: study.events: the column at is given to client_ts and event_ts; a query can name it twice",
        ),
        ("to: 2026-01-04", "8: study.events: to is before from: 2026-01-04 is earlier than 2026-01-05"),
        ('to: "2026-01-04"', "8: study.events: to is before from: 2026-01-04 is earlier than 2026-01-05"),
        ("to: 2026-01-32", "8: study.events: to must be a date as YYYY-MM-DD"),
        ("to: 2026-01-05 10:00:00", "8: study.events: to must be a date as YYYY-MM-DD"),
        ("to: [2026-01-05]", "8: study.events: to must be a date as YYYY-MM-DD"),
        ("table: other", "8: study.events: table is given twice"),
        ("columns: {event_id: a, event_id: b}", "8: study.events: columns: event_id is given twice"),
    ],
)
def test_an_error_names_its_line(home: Home, line: str, expected: str) -> None:
    assert option(home, line) == [f"sources.yaml:{expected}"]


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [
        ("kind", "study.events: kind is missing"),
        ("url", "study.events: url is missing"),
        ("table", "study.events: needs one of table and query"),
        ("from", "study.events: from is missing: the first extract date"),
    ],
)
def test_what_is_missing_is_told_at_the_stream(home: Home, lacking: str, expected: str) -> None:
    assert f"sources.yaml:2: {expected}" in option(home, "retries: 1", lacking)


def test_a_merge_key_is_no_second_time(home: Home) -> None:
    """Of an alias neither, whose mapping was read before."""
    home.root.mkdir(parents=True, exist_ok=True)
    home.sources.write_text(
        "study:\n"
        "  events: &one\n"
        "    <<: {kind: database, url: sqlite:////app.db, table: t, received_at: at, from: 2026-01-05}\n"
        "    table: other\n"
        "    columns: {<<: {event_id: a}, event_id: b}\n"
        "textbook:\n"
        "  events: *one\n"
    )
    found = load_sources(home).databases
    assert {source.table for source in found.values()} == {"other"}
    assert found["study", "events"].columns == (("event_id", "b"),)
    assert len(found) == 2


def test_without_a_receive_time_there_is_no_first_date(home: Home) -> None:
    assert option(home, "to: 2026-01-06", "received_at") == [
        "sources.yaml:2: study.events: received_at is missing: the column with the time at which a row was received",
        "sources.yaml:6: study.events: from goes with received_at; without it the table is read as it is, once a day",
    ]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://daybook:geheim@db/app", "a password stands in the url; name an environment variable"),
        ("postgresql://daybook@acme:geheim@db/app", "a password stands in the url; name an environment variable"),
        ("postgresql://daybook:ge${X}heim@db/app", "a password stands in the url; name an environment variable"),
        ("postgresql://db/app?password=geheim", "a password stands in the url; name an environment variable"),
        ("postgresql://db/app?sslPassword=geheim", "a password stands in the url; name an environment variable"),
        ("oracle://db/app", "the url must begin with postgresql://, mysql://, mariadb://, sqlite://"),
        ("postgresql+pg8000://db/app", "the url must begin with postgresql://, mysql://, mariadb://, sqlite://"),
        ("postgresql://daybook:${1X}@db/app", "a variable in the url is written ${NAME}"),
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_told(home: Home, url: str, expected: str) -> None:
    lines = option(home, f'url: "{url}"', "url")
    assert any(line.startswith(f"sources.yaml:7: study.events: {expected}") for line in lines)
    assert not any("geheim" in line for line in lines)


def test_a_file_of_passwords_may_be_named(home: Home) -> None:
    lines = option(home, 'url: "postgresql://db/app?passfile=/etc/daybook/pgpass&password=geheim"', "url")
    assert [line.partition("; ")[0] for line in lines] == ["sources.yaml:7: study.events: a password stands in the url"]
    home.sources.write_text(home.sources.read_text().replace("&password=geheim", ""))
    assert load_sources(home).databases["study", "events"].url == "postgresql://db/app?passfile=/etc/daybook/pgpass"


@pytest.mark.found("fresh eyes")
@pytest.mark.parametrize("command", ["status", "load"])
def test_a_variable_that_is_not_there_is_told_with_its_line(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Each date of each stream failed by itself, and the ledger noted it. An empty one is none."""
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    monkeypatch.delenv("APP_PASSWORD", raising=False)
    monkeypatch.setenv("APP_URL", "")
    home.root.mkdir(parents=True)
    home.sources.write_text("landing: {url: s3://extracts, options: {access_key_id: '${KEY}'}}\n" + WHOLE)
    assert main([command]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "sources.yaml:3: study.events: the environment has no variable APP_PASSWORD",
        "sources.yaml:18: study.topics: the environment has no variable APP_URL",
        "sources.yaml:26: textbook.events: the environment has no variable APP_PASSWORD",
        "sources.yaml:1: landing: the environment has no variable KEY",
    ]
    assert [path.name for path in home.root.iterdir()] == ["sources.yaml"]


def test_every_error_is_told(home: Home) -> None:
    assert told(home, "stdy: {}\nstudy:\n  evnts: {kind: files}\n  topics: {kind: s3}\nassessment: 5\n") == [
        'sources.yaml:1: no system is called "stdy"; is "study" meant?',
        'sources.yaml:3: study has no stream "evnts"; is "events" meant?',
        "sources.yaml:4: study.topics: kind is 's3'; it can be database or files",
        "sources.yaml:5: assessment: expected a mapping",
    ]


@pytest.mark.parametrize("text", ["study: [", "- study", "study: {events: {kind: *x}}", "? [a]\n: b", "\t"])
def test_what_is_no_such_yaml_is_told_with_its_line(home: Home, text: str) -> None:
    assert told(home, text)[0].startswith("sources.yaml:1: ")


def test_bytes_that_are_no_text(home: Home) -> None:
    home.root.mkdir(parents=True)
    home.sources.write_bytes(b"study: \xff")
    with pytest.raises(SourcesError, match="not valid UTF-8"):
        load_sources(home)


def test_a_command_says_it_before_anything_is_done(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DAYBOOK_HOME", str(home.root))
    told(home, "stdy: {}")
    assert main(["status"]) == 2
    assert capsys.readouterr().err == 'sources.yaml:1: no system is called "stdy"; is "study" meant?\n'


def test_landing_zone_and_lake_may_be_buckets(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.sources.write_text("""\
landing: gs://extracts/daybook
lake:
  url: s3://${LAKE_BUCKET}/lake
  options:
    region: eu-central-1
    endpoint: http://minio.example:9000
    allow_http: true
    access_key_id: ${LAKE_KEY_ID}
    secret_access_key: ${LAKE_SECRET}
  retries: 3
""")
    options = {
        "aws_region": "eu-central-1",
        "aws_endpoint": "http://minio.example:9000",
        "allow_http": "true",
        "aws_access_key_id": "${LAKE_KEY_ID}",
        "aws_secret_access_key": "${LAKE_SECRET}",
    }
    lake = BucketSource("s3://${LAKE_BUCKET}/lake", tuple(options.items()), retries=3)
    assert load_sources(home) == Sources({}, BucketSource("gs://extracts/daybook"), lake)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("landing: ftp://host/x\n", ["1: landing: the url must be s3://bucket, gs://bucket or az://container, with"]),
        ("landing: /mnt/x\n", ["1: landing: the url must be"]),
        ("\nlanding: s3://\n", ["2: landing: the url must be"]),
        ("landing: s3://a//b\n", ["1: landing: the url must be"]),
        ("landing: s3://a/it is\n", ["1: landing: a prefix is made of letters, digits and ._=-"]),
        ("landing: s3://a/b/../c\n", ["1: landing: a prefix is made of"]),
        ("lake: s3://key:SECRET@a/b\n", ["1: lake: a url has no credentials in it"]),
        ("lake: az://a/b?sig=SECRET\n", ["1: lake: a url has no credentials in it"]),
        ("lake: s3://$A/b${\n", ["1: lake: a variable in the url is written ${NAME}"]),
        ("lake:\n  options: {}\n", ["1: lake: url is missing"]),
        ("lake: [s3://a]\n", ["1: lake: url must be a text"]),
        ("lake:\n  url: s3://a\n  retry: 1\n", ['3: lake: unknown option "retry"']),
        ("lake:\n  url: s3://a\n  retries: -1\n", ["3: lake: retries must be 0 or more"]),
        (
            "lake:\n  url: s3://a\n  options:\n    secret_access_key: SECRET\n    regoin: x\n    region: [x]\n",
            [
                "4: lake: secret_access_key: a secret stands in the file; name an environment variable instead",
                '5: lake: unknown option "regoin"; is "region" meant?',
                "6: lake: region must be a text",
            ],
        ),
        (
            "lake:\n  url: s3://a\n  options:\n    endpoint: http://key:SECRET@minio:9000\n",
            ["4: lake: endpoint: a secret stands in the file; name an environment variable instead"],
        ),
        ("lake:\n  url: az://a\n  options: {region: x}\n", ['3: lake: unknown option "region"; known are account_key']),
        ("landng: s3://a\n", ['1: no system is called "landng"; is "landing" meant?']),
    ],
)
def test_what_is_wrong_with_a_bucket_is_told_with_its_line(text: str, expected: list[str], tmp_path: Path) -> None:
    found = told(Home(tmp_path), text)
    assert len(found) == len(expected)
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(f"sources.yaml:{beginning}")
        assert "SECRET" not in line
