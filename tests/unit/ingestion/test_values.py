from __future__ import annotations

import hashlib
import json
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from judging import KEY, stream

from ingestion.contract import Field
from ingestion.exact import Exact
from ingestion.values import bare, instant, is_bare, typed, valid


def judge(field: Field, text: str) -> tuple[bool, Any]:
    """Whether the JSON text is valid, and its typed value. A number comes as spelled, as it does in the judge."""
    j = bare("j") if is_bare(field) else "j"
    con = duckdb.connect()
    Exact(stream("study"), KEY).register(con)
    row = con.execute(
        f"SELECT {valid(field, j)}, {typed(field, j) if field.type not in ('object', 'list') else 'NULL'}"
        " FROM (SELECT CASE WHEN regexp_full_match($1, '-?[0-9].*') THEN $1"
        " ELSE json_extract('{\"v\":' || $1 || '}', '$.v')::VARCHAR END AS j)",
        [text],
    ).fetchone()
    assert row is not None
    return row


UUID = "D9B1D7DB-4f2c-4a8e-9d6a-2f0b0e0c1a2b"

VALID = [
    ("uuid", json.dumps(UUID), UUID.lower()),
    ("int", "5", 5),
    ("int", "-0", 0),
    ("int", "9223372036854775807", 9223372036854775807),
    ("int", "-9223372036854775808", -9223372036854775808),
    ("decimal", "5", Decimal("5.000000")),
    ("decimal", "5.0", Decimal("5.000000")),
    ("decimal", "0.1234565", Decimal("0.123457")),
    ("decimal", "-0.1234565", Decimal("-0.123457")),
    ("decimal", "1e-5", Decimal("0.000010")),
    ("bool", "true", True),
    ("bool", "false", False),
    ("id", '"a"', "a"),
    ("id", '"a b@c"', "a b@c"),
    ("id", '"é\\"\\\\"', 'é"\\'),
    ("id", json.dumps("x" * 128), "x" * 128),
    ("id", json.dumps("😀" * 128), "😀" * 128),
    ("text", '""', ""),
    ("text", '" a\\n\\u0000 "', " a\n\x00 "),
    ("text", '"null"', "null"),
    ("number_or_text", "1.50", "1.5"),
    ("number_or_text", '"hard"', "hard"),
    ("uuid_list", "[]", []),
    ("uuid_list", f'["{UUID}", "{UUID}"]', [UUID.lower()] * 2),
    ("timestamp", '"2025-09-01T10:00:00Z"', datetime(2025, 9, 1, 10)),
    ("timestamp", '"2025-09-01t10:00:00"', datetime(2025, 9, 1, 10)),
    ("timestamp", '"2025-09-01 10:00:00.5"', datetime(2025, 9, 1, 10, 0, 0, 500000)),
    ("timestamp", '"2025-09-01T10:00:00.123456789Z"', datetime(2025, 9, 1, 10, 0, 0, 123456)),
    ("timestamp", '"2025-09-01T10:00:00.999999999+02:00"', datetime(2025, 9, 1, 8, 0, 0, 999999)),
    ("timestamp", '"2025-01-01T00:30:00-23:59"', datetime(2025, 1, 2, 0, 29)),
    ("timestamp", '"1969-12-31T23:59:59.9999999Z"', datetime(1969, 12, 31, 23, 59, 59, 999999)),
    ("timestamp", '"2024-02-29T23:59:59.1-00:00"', datetime(2024, 2, 29, 23, 59, 59, 100000)),
    ("timestamp", '"2025-09-01T10:00:00-05:30"', datetime(2025, 9, 1, 15, 30)),
]

INVALID = {
    "uuid": [f'"{{{UUID}}}"', '"d9b1d7db4f2c4a8e9d6a2f0b0e0c1a2b"', '""', "5", f'"{UUID} "', f'"{UUID[:-1]}g"', "true"],
    "int": ['"5"', "5.0", "1e2", "9223372036854775808", "-9223372036854775809", "true", "[5]", "1e400"],
    "decimal": ['"5"', '"NaN"', "true", "[1]", "{}"],
    "bool": ['"true"', "1", "0", '"TRUE"'],
    "id": [
        '""',
        "5",
        json.dumps("x" * 129),
        '"a\\u0000b"',
        '"a\\nb"',
        '"a\\u0085b"',
        '"a\\u007f"',
        '"me@example.org"',
        '"Me <me@example.org>"',
    ],
    "text": ["5", "true", "[]", "{}"],
    "object": ["[]", '"{}"', "5"],
    "list": ["{}", '"[]"'],
    "number_or_text": ["true", "[]"],
    "uuid_list": ['"x"', '["x"]', f'["{UUID}", null]', f'["{UUID}", 5]', "{}"],
    "timestamp": [
        '"2025-09-01"',
        '"2025-09-01T10:00Z"',
        '"2025-09-01T10:00:00z"',
        '"2025-09-01  10:00:00Z"',
        '"2025-09-01T10:00:00 Z"',
        '" 2025-09-01T10:00:00Z"',
        '"2025-02-29T10:00:00Z"',
        '"2025-13-01T10:00:00Z"',
        '"2025-09-01T24:00:00Z"',
        '"2025-09-01T23:59:60Z"',
        '"2025-09-01T10:00:00.Z"',
        '"2025-09-01T10:00:00.1234567890Z"',
        '"2025-09-01T10:00:00,5Z"',
        '"2025-09-01T10:00:00+0200"',
        '"2025-09-01T10:00:00+02"',
        '"2025-09-01T10:00:00+24:00"',
        '"2025-09-01T10:00:00+02:60"',
        '"0000-01-01T10:00:00Z"',
        '"12025-09-01T10:00:00Z"',
        "1756720800",
        '"1756720800"',
        '""',
    ],
}


@pytest.mark.parametrize(("kind", "text", "value"), VALID)
def test_valid_values(kind: Any, text: str, value: Any) -> None:
    assert judge(Field("f", kind, column="f"), text) == (True, value)


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in INVALID.items() for text in texts])
def test_invalid_values(kind: Any, text: str) -> None:
    assert judge(Field("f", kind), text)[0] is False


@pytest.mark.parametrize("text", ["1e12", "1e400", "1000000000000", "999999999999.9999999", "9" * 400])
def test_a_decimal_beyond_its_column_is_stored_at_the_columns_limit(text: str) -> None:
    """A number of 10^12 or more was rejected, where the law asks for a finite JSON number and no more."""
    largest = Decimal("999999999999.999999")
    assert judge(Field("f", "decimal", column="f"), text) == (True, largest)
    assert judge(Field("f", "decimal", column="f"), f"-{text}") == (True, -largest)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9e-8", "0"),
        ("4.9e-7", "0"),
        ("5e-7", "0.000001"),
        ("-5e-7", "-0.000001"),
        ("1.5e2", "150"),
        ("-0.5", "-0.5"),
        ("1e-400", "0"),
        ("0.00000049999999999999999999999", "0"),
    ],
)
def test_a_decimal_is_rounded_to_its_column_by_its_value(text: str, value: str) -> None:
    """The engine's cast rounds up what is written with an exponent: 9e-8 became 0.000001."""
    assert judge(Field("f", "decimal", column="f"), text) == (True, Decimal(value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", True),
        ("100", True),
        ("100.0", True),
        ("100.000000000000001", False),
        ("-0.0000000001", False),
        ("-1e-400", False),
        ("100.00000000000000000000000001", False),
        ("99.99999999999999999999999999", True),
        ("1e2", True),
        ("1.01e2", False),
        ("-0", True),
        ("1e400", False),
        ("12345678901234567890", False),
    ],
)
def test_limits_are_in_and_exact(text: str, expected: bool) -> None:
    """What a double cannot tell from a limit was taken for it: -1e-400 for 0, 100 and a trace for 100."""
    assert judge(Field("f", "decimal", minimum=0, maximum=100), text)[0] is expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"B"', "B"),
        ("2", "2"),
        ("5.0", "5"),
        ("true", "true"),
        (json.dumps("x" * 64), "x" * 64),
        (json.dumps("x" * 65), hashlib.sha256(b"x" * 65).hexdigest()),
        ('"me@example.org"', "other"),  # not its hash, which has no key
        ('{"b": 1.0, "a": null}', hashlib.sha256(b'{"b":1}').hexdigest()),
        ("[]", hashlib.sha256(b"[]").hexdigest()),
        ("1234567890123456789", "1234567890123456789"),
        ("1e5", "100000"),
        ("1.0e10", "10000000000"),
        ("-0.0", "0"),
        ("1.1000000000000000000", "1.1"),
    ],
)
def test_open_values_in_a_column(text: str, value: str) -> None:
    """A number is stored by its value: 1.0e10 became 1.0e1 when its trailing zeros were cut."""
    assert judge(Field("f", "any", column="f", max_length=64), text) == (True, value)


def test_grains_are_short_and_hold_no_address() -> None:
    field = Field("f", "text", grain=True)
    assert judge(field, json.dumps("x" * 64)) == (True, "x" * 64)
    assert judge(field, json.dumps("x" * 65)) == (True, "other")
    assert judge(field, '"of me@example.org"') == (True, "other")
    assert judge(field, '"@home"') == (True, "@home")


@pytest.mark.parametrize(
    ("text", "value"),
    [('"web"', "web"), ("5", "5"), ("5.0", "5"), ("true", "true"), ('{"b":2, "a":1}', '{"a":1,"b":2}')],
)
def test_an_open_grain_keeps_any_value_as_its_json_text(text: str, value: str) -> None:
    field = Field("f", "any", grain=True)
    assert judge(field, text) == (True, value)
    assert judge(field, f'["{"x" * 64}"]') == (True, "other")


def test_an_absent_value_is_null() -> None:
    con = duckdb.connect()
    assert con.execute(f"SELECT {instant('j')} FROM (SELECT NULL::VARCHAR AS j)").fetchone() == (None,)
