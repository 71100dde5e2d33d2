from __future__ import annotations

import hashlib
import json
import random
import tracemalloc
from decimal import Decimal

import duckdb
import pytest

from ingestion.canonical import as_decimal, canonical, compact, fault, hash64_sql, parse, respelled_sql, suspicious_sql

NOT_STRICT = [
    '{"a":NaN}',
    '{"a":nan}',
    '{"a":-Infinity}',
    '{"a":[inf]}',
    '{"a":1,}',
    '{"a":[1 , ]}',
]
NOT_JSON = [
    "",
    "   ",
    "{",
    '{"a"',
    '{"a":"x',
    '{"a":"x}',
    '{"a":1}x',
    '{"a":1} {"b":2}',
    '{"a":01}',
    '{"a":+1}',
    '{"a":.5}',
    '{"a":1.}',
    '{"a":"\\ud800"}',
    '{"a":"\\udc00\\ud800"}',
    '{"a":1,"a":"\\ud800"}',
    '{"a":"\\x"}',
    '{"a":"\\u12"}',
    '{"a":"\\u","b":1}',
    '{"a":"\\u12","b":1}',
    '{"a":"x\\n\\u","\\u1":1}',
    '{"a":"\t"}',
    "{a:1}",
    "{'a':1}",
    '{"a":TRUE}',
    '{,"a":1}',
    '{"a":1]',
    '\ufeff{"a":1}',
    '{"a":\u00a01}',
    '{"a":\u0663}',
]


@pytest.mark.parametrize("text", NOT_STRICT + NOT_JSON)
def test_what_is_not_strict_json_has_a_fault(text: str) -> None:
    assert "not valid JSON" in (fault(text) or "")


@pytest.mark.parametrize("text", ["[1]", "5", "null", '""', "true"])
def test_a_value_that_is_no_object_has_a_fault(text: str) -> None:
    assert fault(text) == "a JSON value that is no object"


@pytest.mark.parametrize("text", ["{}", ' {"a" : [ ] }\r', '{"a":"\\ud83d\\ude00\\/\\u0000"}', '{"":-0.5e+3}'])
def test_strict_objects_have_none(text: str) -> None:
    assert fault(text) is None


def test_the_engine_takes_what_is_suspicious_and_refuses_the_rest() -> None:
    """A reader asks Python only about suspicious lines: whatever else is not strict, the engine must refuse itself."""
    con = duckdb.connect()
    for text in NOT_STRICT + NOT_JSON:
        suspicious = con.execute(f"SELECT {suspicious_sql('$1')}", [text]).fetchone()
        valid = con.execute("SELECT json_valid($1)", [text]).fetchone()
        assert suspicious is not None and valid is not None
        assert suspicious[0] or not valid[0], text
    for text in ('{"a":"finance"}', '{"a":null,"info":[1,2]}'):
        assert con.execute(f"SELECT {suspicious_sql('$1')}", [text]).fetchone() == (False,)


def test_mutated_json_is_judged_as_by_the_standard_library() -> None:
    source = '{"a":1,"b":[1,2.5,{"c":null,"d":"x\\u00e9\\ud83d\\ude00\\n"}],"e":true,"f":-0.5e+3}'
    chance = random.Random(7)

    def refuse(literal: str) -> None:
        raise ValueError(literal)

    for _ in range(5000):
        text = list(source)
        for _ in range(chance.randint(0, 2)):
            text[chance.randrange(len(text))] = chance.choice('{}[]:,"\\0189eE+-. \ntN\x01u')
        try:
            value = json.loads("".join(text), parse_constant=refuse, object_pairs_hook=list)
            json.dumps(value, ensure_ascii=False).encode()
            strict = "".join(text).lstrip().startswith("{")
        except ValueError:
            strict = False
        assert (fault("".join(text)) is None) == strict, "".join(text)


def test_depth_is_no_crash() -> None:
    deep = "[" * 200_000 + "]" * 200_000
    assert fault('{"a":' + deep + "}") is None
    assert compact(parse(deep)) == deep
    assert canonical(parse(deep)) == deep


def test_what_the_standard_library_reads_is_read_as_by_our_own_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [
        ' { "b" : [ 1.10 , 1e5 , -0, 9223372036854775808 ] , "a" : "\\u0041\\/\\u00e9\\n\u2028" , "b": 2 } ',
        '{"a":{"b":{"a":1,"a":[],"c":{}}},"d":[[],{},[[1]],"",true,false,null]}',
        *("1" * 5000, "-1.5E-7", '"\\ud83d\\ude00"', "[]", "null", "\n 0\t"),
    ]
    read = [compact(parse(text)) for text in texts]

    class Refusing:
        def decode(self, text: str) -> None:
            raise ValueError(text)

    monkeypatch.setattr("ingestion.canonical._STANDARD", Refusing())
    assert [compact(parse(text)) for text in texts] == read


def test_of_a_repeated_key_the_first_counts() -> None:
    assert compact(parse('{"a":1,"b":{"c":1,"c":2},"a":2}')) == '{"a":1,"b":{"c":1}}'


def test_compact_keeps_numbers_as_spelled_and_escapes_what_json_requires() -> None:
    text = ' { "b" : [ 1.10 , 1e5 , -0 ] , "a" : "\\u0041\\/\\u00e9\\u001f\\n\\u2028" } '
    assert compact(parse(text)) == '{"b":[1.10,1e5,-0],"a":"A/é\\u001F\\n\u2028"}'


@pytest.mark.parametrize(
    ("spellings", "expected"),
    [
        (["5", "5.0", "5.00", "5e0", "0.5e1", "50E-1"], "5"),
        (["0", "-0", "0.0", "-0.0e7", "0e-999999"], "0"),
        (["-1.10", "-1.1", "-11e-1"], "-1.1"),
        (["1e5", "100000", "100000.0"], "100000"),
        (["0.00001", "1e-5", "0.1e-4"], "0.00001"),
        (["0.1000000000000000055"], "0.1000000000000000055"),
        (["123456789012345678901234567890"], "123456789012345678901234567890"),
        (["1e400", "10e399"], "0.1e401"),
        (["1e-400"], "0.1e-399"),
        (["12.5e50"], "0.125e52"),
    ],
)
def test_canonical_numbers_go_by_value(spellings: list[str], expected: str) -> None:
    assert {canonical(parse(spelling)) for spelling in spellings} == {expected}


def test_huge_exponents_are_no_crash() -> None:
    assert canonical(parse("1e999999999999999999999")) != canonical(parse("1e-999999999999999999999"))
    assert canonical(parse("1e" + "9" * 10_000)).startswith("0.1e1")


def test_canonical_objects_are_sorted_and_without_nulls() -> None:
    text = '{"b":null,"\uffff":1,"\U00010000":2,"a":{"d":null,"c":[null,{"e":null}]}}'
    assert canonical(parse(text)) == '{"a":{"c":[null,{}]},"\uffff":1,"\U00010000":2}'


def test_strings_are_written_as_the_engine_writes_them() -> None:
    """Both write stored payloads; one content must have one text."""
    con = duckdb.connect()
    for code in [*range(0x80), 0x80, 0x9F, 0x2028, 0xFEFF, 0xFFFF, 0x1F600]:
        text = json.dumps({"a": chr(code)})
        engine = con.execute("SELECT json_extract(?, '$.a')::VARCHAR", [text]).fetchone()
        assert engine == (compact(parse(text)["a"]),), hex(code)


def test_hash64_is_the_end_of_the_md5() -> None:
    con = duckdb.connect()
    for text in ("", "a", "é", "x" * 1000):
        digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
        expected = int.from_bytes(digest[8:], "little") - 2**63
        assert con.execute(f"SELECT {hash64_sql('$1')}", [text]).fetchone() == (expected,)


@pytest.mark.parametrize(
    "number", ["-0", "-0.0", "1e5", "1E-5", "1.10", "0.000000", "0.0000001", "1234567890.12345678", "5.00"]
)
def test_respelled_numbers_are_found(number: str) -> None:
    con = duckdb.connect()
    for text in (f'{{"a":{number}}}', f'{{"a": [1, {number} ]}}', f'{{"a":{{"b":{number},"c":1}}}}'):
        assert con.execute(f"SELECT {respelled_sql('$1')}", [text]).fetchone() == (True,)


def test_numbers_that_are_not_found_keep_their_value() -> None:
    con = duckdb.connect()
    chance = random.Random(3)
    for _ in range(3000):
        digits = "".join(chance.choice("0123456789") for _ in range(chance.randint(1, 18)))
        point = chance.randint(0, len(digits))
        number = chance.choice(["", "-"]) + (digits[:point].lstrip("0") or "0")
        number += "." + digits[point:] if digits[point:] else ""
        found, spelled = con.execute(
            f"SELECT {respelled_sql('$1')}, json_extract($1, '$.a')::VARCHAR", [f'{{"a":{number}}}']
        ).fetchone() or (None, None)
        assert found or canonical(parse(spelled)) == canonical(parse(number)), number


@pytest.mark.parametrize(
    "number", ["0", "-0.0", "12.50", "9e-8", "1E+2", "-0.00e5", "123456789012345678901234567890.5"]
)
def test_exact_values_of_numbers(number: str) -> None:
    assert as_decimal(number) == Decimal(number)


def test_numbers_beyond_every_limit_keep_their_order() -> None:
    """An exponent of a million digits must cost nothing, and -1e-99999 is still less than 0."""
    huge = "9" * 1_000_000
    assert as_decimal(f"-1e{huge}") < -(10**900) < as_decimal(f"-1e-{huge}") < 0 < as_decimal(f"1e-{huge}")
    assert as_decimal(f"1e{huge}") > 10**900
    assert as_decimal(f"0e{huge}") == 0


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("text", ['{"a":"\\n' + "x" * 2_000_000 + '"}', '["' + "\\n" * 1_000_000 + '"]'])
def test_a_long_text_with_an_escape_takes_no_more_memory_than_it_is_long(text: str) -> None:
    """The pattern kept a way back for every character: 150 bytes each, 2.4 GB for the longest line."""
    parse('"warm"')
    tracemalloc.start()
    try:
        parse(text)
        assert tracemalloc.get_traced_memory()[1] < 20 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.found("hostile extracts")
def test_bare_words_that_only_the_engine_takes_for_json_are_found() -> None:
    """A cell NaN of a CSV file went into its document bare, and the whole extract could not be loaded."""
    con = duckdb.connect()
    for text in ("NaN", "nan", "-Infinity", "inf", " Infinity", "\tNaN", "-inf "):
        asked = con.execute(f"select json_valid(text), {suspicious_sql('text')} from (select ? as text)", [text])
        is_valid, is_suspicious = asked.fetchall()[0]
        assert is_suspicious or not is_valid, text
