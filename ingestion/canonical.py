"""Exact JSON in plain Python: strict reading, numbers as spelled, canonical text.

What belongs here: what the engine's own JSON reader is too kind or too forgetful for. It takes NaN and trailing
commas, and it spells numbers anew (1.10 becomes 1.1, 1e5 becomes 100000.0). The SQL expressions here find the few rows
where that could matter; only these come to Python. Nothing recurses: a million brackets are an odd row, no crash.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

# A value as read: None, bool, str, Number, list, dict (of a repeated key the first value).
Json = Any

_SPACE = "[ \t\n\r]*"
_TOKEN = re.compile(
    _SPACE
    + r"""(?:(?P<mark>[{}\[\]:,])
    |"(?P<plain>[^"\\\x00-\x1f]*)"
    |"(?P<escaped>(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+)"
    |(?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<word>true|false|null))""".replace("\n    ", "")
)
_REST = re.compile(_SPACE)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = {"true": True, "false": False, "null": None}
_MUST_ESCAPE = re.compile(r'["\\\x00-\x1f]')
_CONTAINERS = (dict, list)
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class NotJson(ValueError):
    """The text is not strictly valid JSON; the message says why and where."""


class Number(str):
    """A JSON number, as spelled."""

    __slots__ = ()


def _first_of_each(members: list[tuple[str, Json]]) -> dict[str, Json]:
    read = dict(members)
    if len(read) < len(members):
        read = {}
        for key, value in members:
            read.setdefault(key, value)
    return read


def _no_literal(literal: str) -> Json:
    raise ValueError(literal)


_STANDARD = json.JSONDecoder(
    object_pairs_hook=_first_of_each, parse_int=Number, parse_float=Number, parse_constant=_no_literal
)


def suspicious_sql(column: str) -> str:
    """True for a text that the engine's `json_valid` may accept although it is not strictly valid JSON.

    Such a text holds a trailing comma, or one of the literals NaN, Infinity and their spellings.
    """
    comma = f"regexp_matches({column}, ',[ \\t\\n\\r]*[}}\\]]')"
    words = f"contains(lower({column}), 'nan') or contains(lower({column}), 'inf')"  # far cheaper than the pattern
    return f"({comma} or (({words}) and regexp_matches({column}, '(?i)(?:^|[:\\[,])[ \\t\\n\\r]*-?(?:nan|inf)')))"


def respelled_sql(column: str) -> str:
    """True for a text with a number that the engine would spell anew: some fractions, exponents, minus zero."""
    number = r"-0(?:\.0+)?\s*[,\]}]|-?[0-9]+(?:\.[0-9]+)?[eE]|-?[0-9]+\.0{5}|-?[0-9]+\.[0-9]+0\s*[,\]}]|-?[0-9.]{17}"
    return f"regexp_matches({column}, '[:,\\[]\\s*(?:{number})')"


def fault(text: str) -> str | None:
    """Why a text is not one strictly valid JSON object; None if it is."""
    try:
        value = parse(text)
    except NotJson as error:
        return str(error)
    return None if isinstance(value, dict) else "a JSON value that is no object"


def parse(text: str) -> Json:
    """The value of a JSON text, read strictly (RFC 8259). Raises NotJson."""
    # The standard library is six times as fast. It recurses, takes half of a surrogate pair, and does not say where an
    # error is as we do: such texts are read here.
    if "\\ud" not in text and "\\uD" not in text:
        try:
            return _STANDARD.decode(text)
        except (ValueError, RecursionError):
            pass
    return _parse(text)


def _parse(text: str) -> Json:
    scan = _TOKEN.match
    position = 0
    open_containers: list[Json] = []  # from the root to the innermost
    key: str | None
    keys: list[str | None] = []  # beside each: the key whose value is being read (None in a list)
    value: Json = None
    while True:
        # here a value begins (or, in an empty container, it ends)
        token = scan(text, position)
        if token is None:
            raise _unexpected(text, position)
        position = token.end()
        kind = token.lastgroup
        if kind == "mark":
            mark = token["mark"]
            if mark == "{":
                closing = _next(text, position)
                if closing is not None and closing["mark"] == "}":
                    position, value = closing.end(), {}
                else:
                    key, position = _key(text, position)
                    open_containers.append({})
                    keys.append(key)
                    continue
            elif mark == "[":
                closing = _next(text, position)
                if closing is not None and closing["mark"] == "]":
                    position, value = closing.end(), []
                else:
                    open_containers.append([])
                    keys.append(None)
                    continue
            else:
                raise _unexpected(text, token.start())
        elif kind == "plain":
            value = token["plain"]
        elif kind == "number":
            value = Number(token["number"])
        elif kind == "word":
            value = _WORDS[token["word"]]
        else:
            value = _unescape(token["escaped"], token.start())
        # here a value has ended: put it in its container, and close what ends after it
        while open_containers:
            container, key = open_containers[-1], keys[-1]
            if key is None:
                container.append(value)
            else:
                container.setdefault(key, value)
            token = _next(text, position)
            closer = token["mark"] if token is not None else None
            if token is None or closer not in (",", "]" if key is None else "}"):
                raise _unexpected(text, position)
            position = token.end()
            if closer == ",":
                if key is not None:
                    keys[-1], position = _key(text, position)
                break
            value = open_containers.pop()
            keys.pop()
        else:
            end = _REST.match(text, position)
            if end is None or end.end() != len(text):
                raise _unexpected(text, position)
            return value


def compact(value: Json) -> str:
    """A value as JSON text without white space, numbers as spelled, no escape that JSON does not require."""
    return _write(value, lambda number: number, lambda members: members.items())


def canonical(value: Json) -> str:
    """The text that equal values share: keys sorted by code point, null members left out, numbers by value."""
    return _write(value, _by_value, lambda members: sorted(item for item in members.items() if item[1] is not None))


def as_decimal(number: str) -> Decimal:
    """The exact value of a JSON number; beyond 10^1000, or nearer to zero than 10^-1000, one of the same sign there."""
    sign, digits, point = _scientific(number)
    return Decimal(f"{sign}0.{digits or '0'}e{max(-1000, min(1000, point))}")


def as_text(value: Json) -> str:
    """A text as it is, any other value as its canonical JSON."""
    return value if type(value) is str else canonical(value)


def hash64_sql(text: str) -> str:
    """The lake's 64-bit hash of a text: the last 8 bytes of the MD5, little end first, moved to the signed range."""
    # md5_number is half as dear as md5_number_upper
    return f"((md5_number({text}) >> 64)::HUGEINT - 9223372036854775808)::BIGINT"


def map_texts(value: Json, change: Callable[[str], str]) -> Json:
    """A value with every text in it changed, the keys of objects too. Of keys that become one the first counts."""
    root: list[Json] = [value]
    todo: list[Json] = [root]
    while todo:
        container = todo.pop()
        entries = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
        if isinstance(container, dict):
            container.clear()
        for key, item in entries:
            if isinstance(item, dict | list):
                item = type(item)(item)
                todo.append(item)
            elif type(item) is str:
                item = change(item)
            if isinstance(container, dict):
                container.setdefault(change(key), item)
            else:
                container[key] = item
    return root[0]


def _write(
    value: Json, spell: Callable[[Number], str], members: Callable[[dict[str, Json]], Iterable[tuple[str, Json]]]
) -> str:
    parts: list[str] = []
    todo: list[Json] = [value]  # a tuple holds finished text
    while todo:
        item = todo.pop()
        if isinstance(item, tuple):
            parts.append(item[0])
        elif not isinstance(item, _CONTAINERS):
            parts.append(_scalar(item, spell))
        else:
            if isinstance(item, dict):
                text, end = "{", "}"
                entries = [(_quoted(key) + ":", member) for key, member in members(item)]
            else:
                text, end = "[", "]"
                entries = [("", member) for member in item]
            inner: list[Json] = []
            before = ""
            for name, member in entries:
                text += before + name
                before = ","
                if isinstance(member, _CONTAINERS):
                    inner += [(text,), member]
                    text = ""
                else:
                    text += _scalar(member, spell)
            inner.append((text + end,))
            todo += reversed(inner)
    return "".join(parts)


def _scalar(value: Json, spell: Callable[[Number], str]) -> str:
    if isinstance(value, str):
        return spell(value) if isinstance(value, Number) else _quoted(value)
    return "null" if value is None else "true" if value else "false"


def _quoted(text: str) -> str:
    if _MUST_ESCAPE.search(text) is None:
        return f'"{text}"'
    return '"' + _MUST_ESCAPE.sub(lambda char: _SHORT.get(char[0]) or f"\\u{ord(char[0]):04X}", text) + '"'


def _scientific(number: str) -> tuple[str, str, int]:
    """Sign, digits (none for zero) and power of ten of a number: its value is 0.<digits> * 10**power."""
    mantissa, _, exponent = number.lower().partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    stripped = digits.rstrip("0")
    magnitude = exponent.lstrip("+-").lstrip("0") or "0"
    power = int(magnitude) if len(magnitude) <= 4000 else 10**4000  # beyond it all are one
    return sign, stripped, len(digits) - len(fraction) + (-power if exponent.startswith("-") else power)


def _by_value(number: Number) -> str:
    sign, stripped, point = _scientific(number)
    if not stripped:
        return "0"
    if len(stripped) < point <= 40 or point == len(stripped):
        return sign + stripped.ljust(point, "0")
    if 0 < point <= 40:
        return f"{sign}{stripped[:point]}.{stripped[point:]}"
    if -20 < point <= 0:
        return f"{sign}0.{'0' * -point}{stripped}"
    return f"{sign}0.{stripped}e{point}"


def _next(text: str, position: int) -> re.Match[str] | None:
    return _TOKEN.match(text, position)


def _key(text: str, position: int) -> tuple[str, int]:
    token = _TOKEN.match(text, position)
    if token is None or token.lastgroup not in ("plain", "escaped"):
        raise _unexpected(text, position)
    escaped = token["escaped"]
    key = token["plain"] if escaped is None else _unescape(escaped, token.start())
    colon = _TOKEN.match(text, token.end())
    if colon is None or colon["mark"] != ":":
        raise _unexpected(text, token.end())
    return key, colon.end()


def _unexpected(text: str, position: int) -> NotJson:
    rest = _REST.match(text, position)
    position = rest.end() if rest is not None else position
    if position >= len(text):
        return NotJson("not valid JSON: it ends too early")
    return NotJson(f"not valid JSON at character {position + 1}")


def _unescape(body: str, position: int) -> str:
    def one(escape: re.Match[str]) -> str:
        code, short = escape.groups()
        if code is None and short not in _ESCAPED:  # `_TOKEN` takes a bare "u" on Python 3.11.2
            raise NotJson(f"not valid JSON at character {position + escape.start() + 2}")
        return chr(int(code, 16)) if code is not None else _ESCAPED[short]

    text = _ESCAPE.sub(one, body)
    text = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    if _SURROGATE.search(text):
        raise NotJson(f"not valid JSON: a lone surrogate in the string at character {position + 1}")
    return text
