from __future__ import annotations

import time

import pytest

from ingestion.canonical import parse
from ingestion.contract import Field
from ingestion.privacy import holds_address, in_short, keyed_hash, protect, scrub, scrub_json, truncate_ip


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("0.0.0.1", "0.0.0.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::1", "::"),
        ("::ffff:203.0.113.77", "::"),
        ("fe80::1%eth0", "fe80::"),
        ("203.0.113.77:80", None),
        ("203.0.113", None),
        ("203.0.113.077", None),
        ("me", None),
        ("", None),
    ],
)
def test_addresses_are_truncated_and_what_is_none_is_not_kept(address: str, kept: str | None) -> None:
    assert truncate_ip(address) == kept


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        ("mail me@example.org, or o'neil.x+y@a-b.co.uk!", "mail [email], or [email]!"),
        ("jörg@müller.de", "[email]"),
        ("call +49 (170) 123-4567 now", "call [phone] now"),
        ("555-123-4567", "[phone]"),
        ("(030) 1234567", "[phone]"),
        ("4111 1111 1111 1111", "[card]"),
        ("4111-1111-1111-1111.", "[card]."),
        ("order 1234567", "order [phone]"),
        ("order123456789", "order[number]"),
        ("123456", "123456"),
        ("on 2025-09-01 I got 87.5 of 100", "on 2025-09-01 I got 87.5 of 100"),
        ("https://a.org/x?token=1&b=2 end", "https://a.org/x?[query] end"),
        ("see www.a.org?x=1", "see www.a.org?[query]"),
        ("a.org/path?x=secret", "a.org/path?[query]"),
        ("really? yes?no", "really? yes?no"),
        ("mailto:me@x.org?subject=hi", "mailto:[email]?[query]"),
        ("by aaaaaaaa-0000-4000-8000-000000000001, 1234567", "by aaaaaaaa-0000-4000-8000-000000000001, [phone]"),
        ('"12345678-1234-1234-1234-123456789012"', '"12345678-1234-1234-1234-123456789012"'),
        ("aaaaaaaa-0000-4000-8000-000000000001@example.org", "[email]"),
        ("10.1.2.3", "[ip]"),
        ("from 192.168.10.77:8080 to [2001:db8::1]:443.", "from [ip]:8080 to [[ip]]:443."),
        ("version 1.2.3 at 10:20:30", "version 1.2.3 at 10:20:30"),
        ("", ""),
    ],
)
def test_scrubbing(text: str, scrubbed: str) -> None:
    """Of a UUID parts became [phone] and [card]; the query of a mailto: stayed; so did an address of few digits."""
    assert scrub(text) == scrubbed


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a@",
        "1 ",
        "a.",
        "?",
        "://",
        "a-b.",
        "(",
        "1",
        "+",
        "x?",
        "www.a/",
        "mailto:",
        "a1-",
        "1.",
        "a:",
        "1:",
        "1111:",
    ],
)
def test_scrubbing_is_linear(unit: str) -> None:
    """One hostile line must not stop a night: a pattern tried anew at each character would take minutes here."""
    started = time.process_time()
    scrub(unit * 100_000)
    assert time.process_time() - started < 5


def test_scrubbing_reaches_every_text_of_a_value() -> None:
    value = parse('{"me@a.org":[{"x":"1234567"},"y",12345678],"z":null}')
    assert scrub_json(value) == {"[email]": [{"x": "[phone]"}, "y", "12345678"], "z": None}
    deep = parse('{"a":' * 100_000 + '"me@a.org"' + "}" * 100_000)
    scrub_json(deep)


def test_keyed_hashes() -> None:
    assert keyed_hash(b"key", "text") == keyed_hash(b"key", "text")
    assert keyed_hash(b"key", "text") != keyed_hash(b"other", "text")
    # RFC 4231, test case 2
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert keyed_hash(b"Jefe", "what do ya want for nothing?") == expected


def test_protect() -> None:
    key = b"k"
    text = "call 1234567"
    kept = {"hash": keyed_hash(key, text), "length": "12"}
    assert protect(Field("f", "text", privacy="free_text"), text, key) == kept
    scrubbed = Field("f", "text", privacy="free_text", keep="scrubbed")
    assert protect(scrubbed, text, key) == {**kept, "text": "call [phone]"}
    number = parse("5.0")
    assert protect(Field("f", "any", privacy="free_text"), number, key) == {"hash": keyed_hash(key, "5"), "length": "1"}
    assert protect(Field("f", "any", privacy="ip"), number, key) is None
    assert protect(Field("f", "text", privacy="user_agent"), "Mozilla 1234567", key) == "Mozilla 1234567"
    assert protect(Field("f", "uuid_list"), ["AB"], key) == ["ab"]
    assert protect(Field("f", "uuid"), "AB", key) == "ab"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to x@example.org", True),
        ("192.168.10.77", True),
        ("from 10.0.0.1 again", True),
        ("2001:db8::1", True),
        ("connect to 2001:db8::7 failed", True),
        ("at [fe80::1]:443.", True),
        ("10:30:00", False),
        ("x::y", False),
        ("Foo::bar failed", False),
        ("version 1.2.3", False),
        ("1.2.3.4.5", False),
        ("ip 10.9.8.7.", True),
        ("host10.1.2.3.example", True),
        ("10.1.2.3refused", True),
        ("x 2001:db8::1.", True),
        ("addr2001:db8::1", True),
        ("client:fe80::1: refused", True),
        ("2001:db8:0:0:0:0:0:1:443", True),
        ("dead::beef", True),
        ("v1.2.3.", False),
        ("at 10:20:30.", False),
        ("at10:20:30", False),
        ("2026-01-05T10:20:30.123456Z", False),
        ("aa:bb:cc:dd:ee:ff", False),
        ("std::vector", False),
        ("Api::V1::NotFound", False),
        ("schema::add", False),
    ],
)
def test_addresses_in_short_texts(text: str, found: bool) -> None:
    """IP addresses in answers and devices once stood in the marts as they came.

    Later those did that end a sentence, are followed by a word or cling to one: "ip 10.9.8.7." was an error type.
    """
    assert holds_address(text) is found


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize("tail", [" ?", " a?b", "? x"])
def test_a_very_long_word_is_scrubbed_in_time(tail: str) -> None:
    """A question mark anywhere made a long word quadratic: one line of a megabyte stopped the night for hours."""
    started = time.monotonic()
    assert scrub("a" * 1_000_000 + tail) == "a" * 1_000_000 + tail
    assert scrub("a/" * 500_000 + tail) == "a/" * 500_000 + tail
    assert time.monotonic() - started < 30


@pytest.mark.found("hostile extracts")
@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Could not convert string 'Kim Possible' to INT32", "Could not convert string … to INT32"),
        ('can\'t read "a b" of kim@example.org\n* second line', "can't read … of [email]"),
        ("cut in 'the middle", "cut in …"),
        ('invalid input for type integer: "{"name": "Kim Possible"}"', "invalid input for type integer: …"),
        (
            "Incorrect integer value: 'Kim O'Possible' for column `n` at row 1",
            "Incorrect integer value: … for column `n` at row 1",
        ),
        ("bad \x0f byte\u202e", "bad … byte…"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_an_engine_says_is_told_without_what_it_quotes(message: str, told: str) -> None:
    """A header that is no header came whole into the log: a person's name, or megabytes."""
    assert in_short(message) == told
